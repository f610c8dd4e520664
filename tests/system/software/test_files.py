"""Programs that look hard at files: what they have written is what they find, and copies are equal in everything."""

from __future__ import annotations

import pytest

from system.support.leaks import leaving_nothing
from system.support.machine import running

pytestmark = [pytest.mark.root, pytest.mark.machine]

#: One of everything that a file system keeps and a careless copy loses.
ZOO = r"""
    rm -rf zoo copy; mkdir -p zoo/directory zoo/empty; cd zoo
    head -c 3000000 /dev/urandom > big; ln big hard; ln -s big link; ln -s nowhere dangling; mkfifo fifo; mknod null c 1 3; mknod loop b 7 0
    truncate -s 50M sparse; printf x | dd of=sparse bs=1 seek=30000000 conv=notrunc status=none
    setfattr -n user.long -v "$(head -c 2000 /dev/zero | tr '\0' x)" big; setfattr -n trusted.own -v 1 directory
    cp /bin/true capable; setcap cap_net_raw+ep capable; setfacl -m u:1234:rw,g:99:r big; setfacl -d -m u:1234:rwx directory
    cp /bin/true setid; chown 1:2 empty setid; chmod 6755 setid; chmod 1777 directory
    touch -d '2001-02-03 04:05:06.123456789' directory/old; touch "$(printf 'odd\nname\377')"
    mkdir many; cd many; touch $(seq 1000); cd ../..
"""
#: rsync's own judgement, contents included: a line for every difference.
COMPARE = "rsync -aHAXSni --delete --numeric-ids --checksum zoo/ copy/"
FIO = "--name=v --filename=/root/fio --size=24M --bs=4k --iodepth=8 --verify=crc32c --verify_fatal=1 --do_verify=1 --fsync=128 --minimal"


@pytest.fixture(scope="module")
def box(workshop, smith):
    with leaving_nothing(workshop), running(workshop, smith, "box", "--no-network", "--memory", "512M") as machine:
        yield machine


@pytest.fixture
def zoo(box):
    box.sh(f"cd /root; {ZOO}")
    yield box
    box.sh("rm -rf /root/zoo /root/copy")


def test_rsync_makes_an_equal_copy(zoo):
    zoo.sh("cd /root; rsync -aHAXS --numeric-ids zoo/ copy/")
    assert zoo.sh(f"cd /root; {COMPARE}") == ""
    assert zoo.sh(
        "cd /root; getcap copy/capable; stat -c %h copy/hard; stat -c %y copy/directory/old; getfacl -n copy/directory | grep 1234"
    ).split("\n") == ["copy/capable cap_net_raw=ep", "2", "2001-02-03 04:05:06.123456789 +0000", "default:user:1234:rwx"]
    zoo.sh("cd /root; echo x >> copy/directory/old; setfattr -x user.long copy/big; rm copy/many/7; chmod 700 copy/empty")
    assert len(zoo.sh(f"cd /root; {COMPARE}").splitlines()) >= 4, "it sees what differs"


def test_tar_makes_an_equal_copy(zoo):
    zoo.sh("""cd /root; mkdir copy
        tar --xattrs --xattrs-include='*' --acls --sparse -cf - -C zoo . | tar --xattrs --xattrs-include='*' --acls -xpf - -C copy""")
    assert zoo.sh(f"cd /root; {COMPARE}") == ""
    assert int(zoo.sh("du -k /root/copy/sparse | cut -f1")) < 1000


@pytest.mark.parametrize("engine", ["psync", "libaio", "mmap", "io_uring"])
@pytest.mark.parametrize("order", ["write", "randwrite", "randrw"])
def test_fio_finds_what_it_wrote(box, engine, order):
    box.sh(f"fio {FIO} --ioengine={engine} --rw={order} --output=/root/said && rm /root/fio", timeout=120)


def test_fio_finds_what_it_wrote_past_the_page_cache(box):
    box.sh(f"fio {FIO} --ioengine=libaio --direct=1 --rw=randwrite --output=/root/said && rm /root/fio", timeout=120)


def test_git_of_thousands_of_objects(box):
    made = box.sh(
        """
        mkdir -p /root/git && cd /root/git && git init -q one && cd one && git config user.email smith@example.org && git config user.name smith
        for round in 1 2 3; do
            for directory in $(seq 30); do mkdir -p $directory; for file in $(seq 40); do echo "$round $file $directory" > $directory/$file; done; done
            git add . && git commit -qm $round
        done
        git branch other HEAD~1 && git checkout -q other && echo x > new && git add new && git commit -qm other && git checkout -q -
        git merge -q other -m merge && git rev-parse HEAD^{tree}""",
        timeout=120,
    )
    box.sh(
        """
        cd /root/git && git clone -q --no-local one two && cd two && git fsck --strict && git gc -q --aggressive && git fsck --full --strict
        test $(git count-objects -v | sed -n 's/^in-pack: //p') -ge 3700 && test "$(git status --porcelain)" = ''""",
        timeout=120,
    )
    assert box.sh("cd /root/git/two && git rev-parse HEAD^{tree}") == made
    box.sh("""
        cd /root/git/two && git worktree add -q ../three HEAD~1 && cd ../three && git config user.email smith@example.org
        git config user.name smith && git stash list && rm -r 7 && git add -A && git commit -qm less && git rebase -q HEAD~1 && cd .. && rm -rf three""")
