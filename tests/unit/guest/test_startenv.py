"""startenv and services, run for real in a root made of the host's /usr and otherwise empty directories.

The agent is a script here that writes down what it was asked, /proc/mconsole a FIFO that the test reads. That needs a
mount namespace, and so root or a host that lets users make namespaces of their own.
"""

from __future__ import annotations

import os
import re
import select
import shlex
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from guest_sessions import PATIENCE

SHELLS = {"sh": ["/bin/sh"], "bash": ["/bin/bash", "--posix"]}  # Debian's sh is dash, Arch's is bash
MACHINE = {
    "NAME": "web",
    "OWNER": "root",  # in the user namespace of the test there is nobody else
    "OWNER_UID": "0",
    "OWNER_GID": "0",
    "OWNER_GROUP": "root",
    "OWNER_GECOS": "It is O'Neil",
    "OWNER_HOME": "/home/alice",
    "OWNER_SHELL": "/bin/sh",
    "OWNER_SUBIDS": "100000:65536",
    "OWNER_GROUPS": "students:2001 audio:29",
    "HOME_MOUNTED": "1",
    "NETWORK": "none",
    "ADDRESS": "",
    "GATEWAY": "",
    "DNS": "",
    "DOMAIN": "",
    "ADDRESS6": "",
    "GATEWAY6": "",
    "ONESHOT": "0",
    "INIT": "startenv",
}
STATIC = {
    "NETWORK": "static",
    "ADDRESS": "10.1.2.3/20",
    "GATEWAY": "10.1.0.1",
    "DNS": "10.1.0.1 10.1.0.2",
    "DOMAIN": "gaol",
}
ENDS = [
    *(f"/usr/local/sbin/{name}" for name in ("shutdown", "poweroff", "halt", "reboot", "init", "telinit")),
    "/lib/sysvinit/telinit",
]
ENTER = """set -e
for place in usr dev; do mount --rbind "/$place" "$1/$place"; done
mount -t tmpfs tools "$1/usr/local"
mkdir -p "$1/usr/local/sbin"
cp -R "$1/tools/." "$1/usr/local/sbin"
for hidden in sshd dhclient udhcpc dhcpcd haveged; do
    if [ -e "/usr/sbin/$hidden" ]; then mount --bind /dev/null "$1/usr/sbin/$hidden"; fi
done
root=$1; shift
exec chroot "$root" "$@"
"""
FAKE_AGENT = """#!/bin/sh
case $1 in
    await | remove | hosts) exec /uml/bin/real-agent "$@" ;;
    address) [ -e /address ] && cat /address ;;
    random-ready) [ ! -e /no-random ] ;;
    *) printf '%s\\n' "$@" > /asked ;;
esac
"""
FAKE_SSHD = '#!/bin/sh\necho $$ > /run/sshd.pid\necho "$0 $*" > /sshd-was-started\n'


class Tree:
    """A root directory with a machine's settings in it."""

    def __init__(self, root: Path, guest: Path, agent: Path) -> None:
        self.root = root
        for name in (
            "etc/ssh",
            "etc/skel",
            "home",
            "proc/sys/kernel/random",
            "proc/sys/net/ipv4",
            "usr",
            "dev",
            "tools",
            "run/gaoler",
            "uml/bin",
        ):
            (root / name).mkdir(parents=True)
        for name in ("bin", "sbin", "lib", "lib64"):
            (root / name).symlink_to(f"usr/{name}")
        for script in (guest / "bin").iterdir():
            self.program(f"uml/bin/{script.name}", script.read_text())
        self.program("uml/bin/agent", FAKE_AGENT)
        (root / "uml/bin/real-agent").write_bytes(agent.read_bytes())
        (root / "uml/bin/real-agent").chmod(0o755)
        (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
        (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
        (root / "proc/sys/kernel/random/uuid").write_text("01234567-89ab-cdef-0123-456789abcdef\n")
        os.mkfifo(root / "proc/mconsole")
        self.mconsole = os.open(root / "proc/mconsole", os.O_RDWR | os.O_NONBLOCK)

    def program(self, name: str, text: str) -> None:
        (self.root / name).write_text(text)
        (self.root / name).chmod(0o755)

    def settings(self, **changes: str) -> None:
        text = "".join(f"{key}={shlex.quote(value)}\n" for key, value in {**MACHINE, **changes}.items())
        (self.root / "run/gaoler/machine").write_text(text)

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        inside = ["unshare", "--map-root-user", "--mount", "sh", "-c", ENTER, "sh", str(self.root), *command]
        return subprocess.Popen(inside, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def run(self, *command: str) -> str:
        """What it printed: standard output and error."""
        return self.start(*command).communicate(timeout=PATIENCE)[0].decode()

    def milestones(self, last: str = "ready") -> list[str]:
        """Waits for one, and returns all up to it."""
        told = ""
        deadline = time.monotonic() + PATIENCE
        while f"gaol {last}" not in told:
            readable, _, _ = select.select([self.mconsole], [], [], deadline - time.monotonic())
            assert readable, f"no {last} after: {told}"
            told += os.read(self.mconsole, 4096).decode()
        return [part for part in told.split("gaol ") if part]

    def read(self, name: str) -> str:
        return (self.root / name).read_text()

    def asked(self) -> list[str]:
        """The steps that startenv wanted of the agent, one a line."""
        return " ".join(self.read("asked").split("\n")).strip().split(" -- ")


@pytest.fixture
def tree(built: Path, guest: Path, tmp_path: Path, need_namespaces: Callable[[list[str]], None]) -> Tree:
    need_namespaces(["unshare", "--map-root-user", "--mount"])
    return Tree(tmp_path / "root", guest, built / "agent")


@pytest.fixture(params=SHELLS)
def startenv(request: pytest.FixtureRequest, tree: Tree) -> Callable[..., str]:
    def run(**changes: str) -> str:
        tree.settings(**changes)
        return tree.run(*SHELLS[request.param], "/uml/bin/startenv")

    return run


@pytest.fixture(params=SHELLS)
def services(request: pytest.FixtureRequest, tree: Tree) -> Callable[..., str]:
    def run(**changes: str) -> str:
        tree.settings(**changes)
        return tree.run(*SHELLS[request.param], "/uml/bin/services")

    return run


# --- startenv


def test_steps_without_a_network(tree: Tree, startenv: Callable[..., str]) -> None:
    assert startenv() == ""
    mounts, links, *rest = tree.asked()
    assert mounts.startswith("mount proc /proc proc nosuid,nodev,noexec sysfs /sys")
    assert "/proc/self/fd/2 /dev/stderr" in links
    assert "/uml/bin/apt /usr/local/sbin/apt-get" in links
    assert rest == [
        "mode 0666 /dev/fuse /dev/net/tun",
        "hostname web",
        "net lo",
        "account --subids 100000:65536 root 0 0 root It is O'Neil /home/alice /bin/sh wheel students:2001 audio:29",
        "link " + " ".join(f"/uml/bin/shutdown {place}" for place in ENDS),
        "runlevel 2",
        "init --start /uml/bin/services",
    ]
    assert tree.read("etc/hostname") == "web\n"
    assert not (tree.root / "etc/resolv.conf").exists()


def test_static_network_is_up_before_the_agent_serves(tree: Tree, startenv: Callable[..., str]) -> None:
    (tree.root / "etc/resolv.conf").symlink_to("/run/systemd/resolve/stub-resolv.conf")
    assert startenv(**STATIC, ADDRESS6="fd00::2/64", GATEWAY6="fd00::1") == ""
    steps = tree.asked()
    network = steps.index("net vec0 name eth0 10.1.2.3/20 via 10.1.0.1 fd00::2/64 via fd00::1")
    assert network < steps.index("init --start /uml/bin/services")
    assert tree.read("etc/resolv.conf") == "search gaol\nnameserver 10.1.0.1\nnameserver 10.1.0.2\n"


def test_static_network_of_the_least(tree: Tree, startenv: Callable[..., str]) -> None:
    startenv(NETWORK="static", ADDRESS="10.1.2.3/32")
    assert "net vec0 name eth0 10.1.2.3/32" in tree.asked()
    assert tree.read("etc/resolv.conf") == ""


def test_oneshot_starts_no_services(tree: Tree, startenv: Callable[..., str]) -> None:
    startenv(**STATIC, ONESHOT="1")
    assert tree.asked()[-2:] == ["runlevel 2", "init --oneshot"]


def test_oneshot_with_dhcp_leaves_the_word_to_services(tree: Tree, startenv: Callable[..., str]) -> None:
    startenv(NETWORK="dhcp", ONESHOT="1")
    assert tree.asked()[-2:] == ["runlevel 2", "init --start /uml/bin/services --oneshot --quiet"]


def test_systemd_gets_the_agent_beside_it(tree: Tree, startenv: Callable[..., str]) -> None:
    if not Path("/usr/lib/systemd/systemd").exists():
        pytest.skip("this host has no systemd to be found in the tree")
    startenv(INIT="systemd")
    assert tree.asked()[-2:] == [
        "start /uml/bin/agent serve --start /uml/bin/services",
        "exec /usr/lib/systemd/systemd",
    ]


def test_a_home_of_its_own_is_made_once(tree: Tree, startenv: Callable[..., str]) -> None:
    (tree.root / "etc/skel/.profile").write_text("# first\n")
    startenv(HOME_MOUNTED="0")
    assert tree.read("home/alice/.profile") == "# first\n"
    (tree.root / "home/alice/.profile").write_text("# changed\n")
    startenv(HOME_MOUNTED="0")
    assert tree.read("home/alice/.profile") == "# changed\n"


def test_a_clone_gets_keys_and_an_id_of_its_own(tree: Tree, startenv: Callable[..., str]) -> None:
    key, identity = tree.root / "etc/ssh/ssh_host_ed25519_key", tree.root / "etc/machine-id"
    startenv()
    for again in ("web", "clone"):
        key.touch()
        identity.write_text("0123456789abcdef0123456789abcdef\n")
        startenv(NAME=again)
        assert (key.exists(), bool(identity.read_text())) == ((True, True) if again == "web" else (False, False))


@pytest.mark.parametrize("oneshot", ["0", "1"])
def test_its_own_name_is_known_before_the_first_command(tree: Tree, startenv: Callable[..., str], oneshot: str) -> None:
    startenv(NAME="first", ONESHOT=oneshot)
    startenv(DOMAIN="gaol", ONESHOT=oneshot)
    startenv(DOMAIN="gaol", ONESHOT=oneshot)
    assert tree.read("etc/hosts") == "127.0.0.1 localhost\n127.0.1.1 web.gaol web\n"


@pytest.mark.parametrize("oneshot", ["0", "1"])
def test_the_owner_alone_is_a_sudoer_by_number(tree: Tree, startenv: Callable[..., str], oneshot: str) -> None:
    """Whatever the account is called, and whoever's machine a published base once was."""
    (tree.root / "etc/sudoers.d").mkdir()
    tree.program("etc/sudoers.d/gaoler", "alice ALL=(ALL:ALL) NOPASSWD: ALL\n")
    for _ in range(2):
        startenv(ONESHOT=oneshot)
        assert tree.read("etc/sudoers.d/gaoler") == "#0 ALL=(ALL:ALL) NOPASSWD: ALL\n"
        assert (tree.root / "etc/sudoers.d/gaoler").stat().st_mode & 0o777 == 0o440
    assert (tree.root / "etc/hosts").stat().st_mode & 0o777 == 0o644


# --- apt


UPDATE = "apt-get -qq -o Acquire::Retries::Delay=false -o APT::Update::Error-Mode=any update"
ONE_SYNC = "-o DPkg::Options::=--force-unsafe-io -o DPkg::Post-Invoke::=sync -f /var/lib/dpkg || : "
"""What goes before the words where packages may be unpacked."""
FAKE_APT = f"""#!/bin/sh
echo "${{0##*/}} $*" >> /asked-of-apt
if [ "${{0##*/}} $*" = "{UPDATE}" ]; then
    [ ! -e /offline ] || exit 100
    : > /var/lib/apt/lists/archive_Packages.lz4
fi
"""


@pytest.fixture
def apt(tree: Tree) -> Callable[..., list[str]]:
    """Runs `apt` or `apt-get` as a machine finds it; what was asked of Debian's own then."""
    (tree.root / "var/lib/apt/lists/partial").mkdir(parents=True)
    tree.program("tools/real", FAKE_APT)
    over = 'for real in apt apt-get; do mount --bind /tools/real "/usr/bin/$real"; done; ln -s /uml/bin/apt "/tools/$1"; exec "/tools/$@"'

    def run(*words: str) -> list[str]:
        for name in ("asked-of-apt", f"tools/{words[0]}"):
            (tree.root / name).unlink(missing_ok=True)
        said = tree.run("sh", "-c", over, "sh", *words)
        assert ("package lists are missing, or older than a day" in said) == (UPDATE in tree.read("asked-of-apt")), said
        return tree.read("asked-of-apt").splitlines()

    return run


def test_package_lists_come_when_there_are_none_or_old_ones(tree: Tree, apt: Callable[..., list[str]]) -> None:
    lists = tree.root / "var/lib/apt/lists"
    (tree.root / "offline").touch()
    assert apt("apt-get", "install", "-y", "nginx") == [UPDATE, f"apt-get {ONE_SYNC}install -y nginx"]
    (tree.root / "offline").unlink()
    assert apt("apt-get", "install", "-y", "nginx") == [UPDATE, f"apt-get {ONE_SYNC}install -y nginx"]
    assert apt("apt-get", "install", "-y", "nginx") == [f"apt-get {ONE_SYNC}install -y nginx"]
    for name in (lists, tree.root / "var/lib/apt/periodic/update-success-stamp"):
        os.utime(name, (0, time.time() - 3 * 86400))
    assert apt("apt", "-o", "install=1", "upgrade") == [UPDATE, f"apt {ONE_SYNC}-o install=1 upgrade"]
    # Nothing had changed: the directory is as old as it was.
    os.utime(lists, (0, time.time() - 3 * 86400))
    assert apt("apt-get", "full-upgrade") == [f"apt-get {ONE_SYNC}full-upgrade"]


@pytest.mark.parametrize("words", ["update", "remove install", "-y -t install purge x", "--help", "", "show upgrade"])
def test_what_needs_no_package_lists_is_debians_own(apt: Callable[..., list[str]], words: str) -> None:
    assert [line.strip() for line in apt("apt-get", *words.split())] == [f"apt-get {words}".strip()]


# --- services


def test_ready_at_once_without_a_network(tree: Tree, services: Callable[..., str]) -> None:
    services()
    assert tree.milestones() == ["ready"]


def test_network_and_sshd_then_ready(tree: Tree, services: Callable[..., str]) -> None:
    tree.program("tools/sshd", FAKE_SSHD)
    (tree.root / "etc/ssh/ssh_host_ed25519_key").write_text("a key")
    (tree.root / "address").write_text("10.1.2.3\n")
    (tree.root / "run/gaoler/authorized_keys").write_text("gaoler's\n")
    (tree.root / "home/alice/.ssh").mkdir(parents=True)
    (tree.root / "home/alice/.ssh/authorized_keys").write_text("alice's\n")
    services(**STATIC, ADDRESS6="fd00::2/64")
    *before, last = tree.milestones()
    assert (sorted(before), last) == (["address 10.1.2.3", "address6 fd00::2", "sshd"], "ready")
    assert tree.read("sshd-was-started") == "/usr/local/sbin/sshd -f /uml/etc/sshd_config\n"
    assert tree.read("run/sshd.keys/all") == "gaoler's\n"
    assert tree.read("run/sshd.keys/root") == "gaoler's\nalice's\n"


def test_what_is_missing_is_named_and_waited_for(tree: Tree) -> None:
    tree.settings(**STATIC)
    tree.program("uml/bin/services", tree.read("uml/bin/services").replace("patience=10 ", "patience=1 "))
    (tree.root / "address").write_text("10.1.2.3\n")
    process = tree.start("/uml/bin/services")
    *_, last = tree.milestones("missing")
    assert last == "missing sshd"
    (tree.root / "run/startenv/sshd").touch()
    assert tree.milestones() == ["ready"]
    assert "no sshd in this tree" in process.communicate(timeout=PATIENCE)[0].decode()


def test_lease(tree: Tree, services: Callable[..., str]) -> None:
    client = """#!/bin/sh
        echo "$*" > /dhclient-was-started
        export reason=BOUND new_ip_address=10.9.8.7 new_subnet_mask=255.255.255.0 new_routers='10.9.8.1 10.9.8.2'
        export new_domain_name=lan new_domain_name_servers='10.9.8.1'
        /uml/bin/dhcp-event
    """
    tree.program("tools/dhclient", client)
    tree.program("tools/sshd", FAKE_SSHD)
    (tree.root / "etc/ssh/ssh_host_ed25519_key").write_text("a key")
    services(NETWORK="dhcp")
    assert set(tree.milestones()) == {"address 10.9.8.7", "sshd", "ready"}
    assert tree.asked() == ["net eth0 flush 10.9.8.7/255.255.255.0 via 10.9.8.1"]
    assert tree.read("etc/resolv.conf") == "search lan\nnameserver 10.9.8.1\n"
    assert "-lf /run/dhclient.leases" in tree.read("dhclient-was-started")


def test_lease_by_busybox(tree: Tree, services: Callable[..., str]) -> None:
    client = "#!/bin/sh\nip=10.9.8.7 subnet=255.255.255.0 router=10.9.8.1 dns=10.9.8.1 /uml/bin/dhcp-event bound\n"
    tree.program("tools/udhcpc", client.replace("ip=", "export ip=", 1).replace(" /uml", "\n/uml"))
    services(NETWORK="dhcp", ONESHOT="1")
    assert tree.milestones("agent") == ["address 10.9.8.7", "agent"]
    assert tree.read("etc/resolv.conf") == "nameserver 10.9.8.1\n"


def test_oneshot_without_a_lease_says_so_and_goes_on(tree: Tree) -> None:
    tree.settings(NETWORK="dhcp", ONESHOT="1")
    tree.program("uml/bin/services", tree.read("uml/bin/services").replace("oneshot_patience=5 ", "oneshot_patience=1 "))
    assert "no dhclient" in tree.run("/uml/bin/services")
    assert tree.milestones("agent") == ["missing address", "agent"]


def test_haveged_only_where_it_is_needed(tree: Tree, services: Callable[..., str]) -> None:
    tree.program("tools/haveged", "#!/bin/sh\n: > /haveged-was-started\n")
    services()
    assert not (tree.root / "haveged-was-started").exists()
    (tree.root / "no-random").touch()
    services()
    assert (tree.root / "haveged-was-started").exists()


def test_files_are_made_once(tree: Tree, services: Callable[..., str]) -> None:
    (tree.root / "etc/pam.d").mkdir()
    (tree.root / "etc/pam.d/su").write_text("auth required pam_unix.so\n")
    services()
    services()
    assert tree.read("etc/machine-id") == "0123456789abcdef0123456789abcdef\n"
    assert tree.read("proc/sys/net/ipv4/ping_group_range") == "0 2147483647\n"
    assert tree.read("etc/pam.d/su") == ("auth sufficient pam_wheel.so trust use_uid group=wheel\nauth required pam_unix.so\n")


def test_ready_waits_for_what_packages_start(tree: Tree) -> None:
    tree.settings()
    (tree.root / "etc/rc2.d").mkdir()
    tree.program("etc/rc2.d/S01database", "#!/bin/sh\nuntil [ -e /goes-on ]; do :; done\nexit 3\n")
    tree.program("uml/bin/services", tree.read("uml/bin/services").replace("patience=10 ", "patience=1 "))
    process = tree.start("/uml/bin/services")
    assert tree.milestones("missing") == ["missing services"]
    (tree.root / "goes-on").touch()
    assert tree.milestones() == ["ready"]
    assert "S01database ended with 3" in process.communicate(timeout=PATIENCE)[0].decode()


def test_packages_and_the_owner_start_their_own(tree: Tree, services: Callable[..., str]) -> None:
    for name in ("etc/rc2.d/S01nginx", "etc/rc2.d/S01ssh", "etc/gaoler/start.d/mine", "etc/rc.local"):
        (tree.root / name).parent.mkdir(parents=True, exist_ok=True)
        tree.program(name, '#!/bin/sh\necho "$0 $*" >> /started\n')
    (tree.root / "etc/gaoler/start.d/not-executable").write_text("exit 1\n")
    services()
    assert tree.read("started") == "/etc/rc2.d/S01nginx start\n/etc/gaoler/start.d/mine start\n/etc/rc.local start\n"


# --- sshd


def test_sshd_takes_the_configuration(guest: Path, tmp_path: Path) -> None:
    sshd = Path("/usr/sbin/sshd")
    if not sshd.exists() or os.geteuid() != 0:
        pytest.skip("needs sshd and root")
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    text = (guest / "etc/sshd_config").read_text().replace("/etc/ssh/ssh_host_ed25519_key", str(key))
    (tmp_path / "config").write_text(text)
    script = 'mount -t tmpfs run /run && mkdir /run/sshd && exec "$@"'
    command = ["unshare", "--mount", "sh", "-c", script, "sh", sshd, "-T", "-f", tmp_path / "config"]
    command += ["-C", "user=root,host=x,addr=10.0.0.1"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "authorizedkeysfile .ssh/authorized_keys /run/sshd.keys/all /run/sshd.keys/root" in result.stdout
    assert re.search(r"^permitrootlogin (without-password|prohibit-password)$", result.stdout, re.MULTILINE)
    assert "\npasswordauthentication no\n" in result.stdout
