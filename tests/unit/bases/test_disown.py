"""A machine's owner leaves no account, no password and no home in a base."""

import shutil

import pytest

from gaoler.bases.disown import disown
from gaoler.errors import NotFound, Usage


@pytest.fixture
def base(tmp_path):
    etc = tmp_path / "etc"
    etc.mkdir()
    (etc / "passwd").write_text(
        "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000:Alice:/home/alice:/bin/sh\nalicia:x:1001:1001::/:/bin/sh\n"
    )
    (etc / "shadow").write_text("root:$y$secret:1:::::: \nalice:*:::::::\nalicia:!:1::::::\ndaemon:$6$x:1::::::\n")
    (etc / "shadow").chmod(0o640)
    (etc / "group").write_text("root:x:0:\nsudo:x:27:alicia,alice\nalice:x:1000:\nalicia:x:1001:alice\n")
    for name in ("alice", "alicia"):
        (tmp_path / "home" / name).mkdir(parents=True)
        (tmp_path / "home" / name / ".netrc").write_text("secret")
    return tmp_path


def test_the_account_goes_and_others_stay(base):
    disown(base, "alice")
    assert (base / "etc/passwd").read_text() == "root:x:0:0::/root:/bin/sh\nalicia:x:1001:1001::/:/bin/sh\n"
    assert (base / "etc/group").read_text() == "root:x:0:\nsudo:x:27:alicia\nalicia:x:1001:\n"
    assert (base / "etc/shadow").read_text() == "root:*:1:::::: \nalicia:!:1::::::\ndaemon:*:1::::::\n"
    assert (base / "etc/shadow").stat().st_mode & 0o777 == 0o640
    assert list((base / "home").iterdir()) == []


KEYS = ("root/.config/gh/hosts.yml", "root/.ssh/id_rsa", "root/.bashrc", "root/notes", "etc/shadow.bak", "etc/passwd~", "etc/.shadow.swp",
        "etc/gshadow-", "var/backups/shadow.bak", "etc/wireguard/wg0.conf", "etc/ssl/private/mine.key", "etc/krb5.keytab",
        "etc/apt/auth.conf.d/corp.conf", "srv/homes/alice/.netrc")  # fmt: skip


@pytest.fixture
def began(tmp_path_factory):
    """What the machine began with."""
    tree = tmp_path_factory.mktemp("began")
    for name, text in {"root/.bashrc": "its own", "root/.profile": "its own", "etc/ssl/private/its.key": "its own",
                       "usr/sbin/program": "its own", "etc/shadow": "root:*:1::::::\n"}.items():  # fmt: skip
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    return tree


def put(tree, *names):
    for name in names:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("secret")


@pytest.mark.parametrize("known", [True, False])
def test_nothing_that_may_be_a_secret_becomes_everybodys(base, began, known):
    shutil.copytree(began, base, dirs_exist_ok=True)
    put(base, *KEYS, "srv/course/exercise", "etc/nginx/nginx.conf", "usr/sbin/program")
    (base / "root/dangling").symlink_to("/etc/shadow")
    disown(base, "alice", "/srv/homes/alice", began if known else None)
    left = {str(path.relative_to(base)) for path in base.rglob("*") if path.is_file() and path.read_text() == "secret"}
    unknown = set() if known else {KEYS[-1]}  # nothing tells then that a system does not lie there
    assert left == {"srv/course/exercise", "etc/nginx/nginx.conf", "usr/sbin/program"} | unknown
    assert not (base / "root/dangling").is_symlink()
    if known:
        assert (base / "root/.bashrc").read_text() == (base / "root/.profile").read_text() == "its own"
        assert (base / "etc/ssl/private/its.key").read_text() == "its own"
    else:
        assert list((base / "root").iterdir()) == []


@pytest.mark.parametrize("known", [True, False])
def test_what_is_asked_for_by_path_is_taken_along_and_nothing_beside_it(base, began, known):
    put(base, *KEYS, "root/.config/gh/notes", "root/tools/deep/er", "root/[x]/a", "root/[x]/b")
    (base / "root/.config/link").symlink_to("/etc")
    disown(
        base,
        "alice",
        "",
        began if known else None,
        ["/root/.config/gh/notes", "/root/tools", "/etc/wireguard/wg0.conf", "/root/[x]/a"],
    )
    left = {str(path.relative_to(base)) for path in base.rglob("*") if path.is_file() and path.read_text() == "secret"}
    asked = {"root/.config/gh/notes", "root/tools/deep/er", "etc/wireguard/wg0.conf", "root/[x]/a"}
    assert left == asked | {"srv/homes/alice/.netrc"}
    assert not (base / "root/.config/link").is_symlink()


@pytest.mark.parametrize(
    ("path", "said"),
    [("root/x", "begins with /"), ("/root/../home/alice", "begins with /"), ("/", "begins with /"), ("//root", "begins with /"),
     ("/home/alice/.netrc", "homes are"), ("/home", "homes are"), ("/srv/homes/alice/x", "homes are"),
     ("/root/.ssh/id_rsa", "in common"), ("/etc/shadow-", "in common"), ("/tmp/x", "in common"), ("/var/log/syslog", "in common")],
)  # fmt: skip
def test_what_no_base_has_can_not_be_kept(base, path, said):
    with pytest.raises(Usage) as refused:
        disown(base, "alice", "/srv/homes/alice", None, [path])
    assert said in str(refused.value.why)


def test_a_path_to_keep_that_is_not_there_or_leads_elsewhere_is_told(base, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "x").write_text("secret")
    (base / "root").mkdir()
    (base / "root/link").symlink_to(outside)
    for path in ("/root/nothing", "/root/link/x"):
        with pytest.raises(NotFound):
            disown(base, "alice", keep=[path])


def test_a_home_that_a_system_lies_in_stays(base, began):
    put(base, "usr/sbin/program")
    disown(base, "daemon", "/usr/sbin", began)
    disown(base, "daemon", "/", began)
    assert (base / "usr/sbin/program").exists()


def test_roots_account_is_the_trees_own(base):
    before = [(base / "etc" / name).read_text() for name in ("passwd", "group")]
    disown(base, "root")
    assert [(base / "etc" / name).read_text() for name in ("passwd", "group")] == before
    assert (base / "etc/shadow").read_text().startswith("root:*:")


def test_links_are_not_followed_out(base, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "shadow").write_text("root:$y$secret:1::::::\n")
    (outside / "mine").write_text("x")
    (base / "etc/shadow").unlink()
    (base / "etc/shadow").symlink_to(outside / "shadow")
    (base / "home").rename(base / "moved")
    (base / "home").symlink_to(outside)
    disown(base, "alice")
    assert (outside / "shadow").read_text() == "root:$y$secret:1::::::\n"
    assert (outside / "mine").exists()


def test_a_tree_that_has_none_of_it(tmp_path):
    disown(tmp_path, "alice")
    assert list(tmp_path.iterdir()) == []
