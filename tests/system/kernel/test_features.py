"""File systems, control groups, namespaces and what else people expect of a kernel: used inside, and not only configured.

Each script runs in an empty directory of the gaol, with a mount namespace of its own.
"""

from __future__ import annotations

import pytest

from system.support.kernel_box import box_fixture, passes  # noqa: F401 - a fixture

pytestmark = [pytest.mark.root, pytest.mark.machine]

PRELUDE = """
    cd $(mktemp -d -p /root) && mkdir m
    fails() { if "$@"; then return 1; fi; }
    image() { truncate -s $1 disk; shift; "$@" disk; mount -o loop disk m; }
    tree()  { mkdir -p t/deep; seq 20000 > t/deep/file; ln -s deep/file t/link; head -c 100000 /dev/urandom > t/random; }
    group() { mkdir /sys/fs/cgroup/$1; echo +memory +pids +cpu +io > /sys/fs/cgroup/cgroup.subtree_control; }
    in_group() { g=$1; shift; sh -c 'echo $$ > /sys/fs/cgroup/'$g'/cgroup.procs; exec "$@"' - "$@"; }
"""
FILE_SYSTEMS = {
    "ext4": """
        image 64M mkfs.ext4 -q; cp -p /bin/true m/; setcap cap_net_raw+ep m/true; setfacl -m u:daemon:rw m/true; setfattr -n user.a -v b m/true
        umount m; fsck.ext4 -fn disk; mount -o loop disk m; getcap m/true | grep cap_net_raw; getfacl m/true | grep daemon:rw""",
    "btrfs": """
        image 128M mkfs.btrfs -q; btrfs subvolume create m/one; echo before > m/one/file; btrfs subvolume snapshot -r m/one m/two
        echo after > m/one/file; cp --reflink=always m/one/file m/copy; test $(cat m/two/file) = before
        btrfs scrub start -B m; umount m; btrfs check disk""",
    "vfat": "image 32M mkfs.vfat; echo x > m/Größe.txt; umount m; mount -o loop disk m; cat m/Größe.txt; cat m/größe.TXT; umount m; fsck.vfat -n disk",
    "squashfs": """
        tree; for how in gzip xz zstd lz4 lzo; do
            rm -f s; mksquashfs t s -quiet -no-progress -comp $how; mount -o loop s m; diff -r t m; umount m
        done""",
    "isofs": """
        tree; genisoimage -quiet -R -J -o iso t; mount -o loop,ro iso m; diff -r t m; umount m
        mkzftree t z; genisoimage -quiet -R -z -o iso z; mount -o loop,ro iso m; diff -r t m""",
    "overlay": """
        mkdir low up work; mkdir low/d; echo low > low/file; echo low > low/d/gone
        mount -t overlay o -o lowerdir=low,upperdir=up,workdir=work m
        echo up > m/file; rm m/d/gone; mv m/d m/e; rm -r m/e; mkdir m/d
        test "$(ls -A m/d)" = ''; umount m; test $(cat low/file)$(cat up/file) = lowup; test -e low/d/gone; getfattr -n trusted.overlay.opaque up/d""",
    "overlay without being root": """
        chmod 711 /root; chown daemon . && mkdir -p low up work; echo low > low/file; chown -R daemon .
        setpriv --reuid daemon --regid daemon --clear-groups unshare -Urm sh -exc '
            mount -t overlay o -o lowerdir=low,upperdir=up,workdir=work,userxattr m; rm m/file; mkdir m/file; test -d m/file'
        test -d up/file; test -e low/file""",
    "tmpfs": "mount -t tmpfs -o size=1M t m; setfattr -n user.a -v b m; fails head -c 2M /dev/zero > m/file; test $(stat -c %s m/file) = 1048576",
    "FUSE": "tree; bindfs t m; diff -r t m; echo new > m/new; grep new t/new; mount | grep fuse.*m; umount m; fails test -e m/new",
    "FUSE without being root": """
        chmod 711 /root .; mount -t tmpfs t m; cd m; mkdir m; tree; chown -R daemon .
        setpriv --reuid daemon --regid daemon --clear-groups sh -exc 'bindfs --no-allow-other t m; diff -r t m; echo new > m/new; fusermount3 -u m || fusermount -u m'
        grep new t/new; fails test -e m/new""",
    "NFS": """
        mkdir -p /srv/nfs && mount -t tmpfs t /srv/nfs && chmod 1777 /srv/nfs
        rpcbind -w || rpcbind; mount -t nfsd nfsd /proc/fs/nfsd; exportfs -o rw,no_root_squash,fsid=0,insecure 127.0.0.1:/srv/nfs
        rpc.mountd; rpc.nfsd 2; trap 'umount m; rpc.nfsd 0; pkill rpc.mountd; pkill rpcbind; exportfs -ua' EXIT
        mount -t nfs -o nolock,vers=3 127.0.0.1:/srv/nfs m
        tree; cp -r t m/; diff -r t m/t; echo there > /srv/nfs/seen; grep there m/seen""",
    "NFS 4": """
        mkdir -p /srv/nfs && mount -t tmpfs t /srv/nfs && chmod 1777 /srv/nfs
        mount -t nfsd nfsd /proc/fs/nfsd; exportfs -o rw,no_root_squash,fsid=0,insecure 127.0.0.1:/srv/nfs
        mkdir -p /run/rpc_pipefs; mount -t rpc_pipefs rpc_pipefs /run/rpc_pipefs; nfsdcld
        rpc.mountd -N 2 -N 3; rpc.nfsd -N 3 -V 4.2 2; trap 'umount m; rpc.nfsd 0; pkill rpc.mountd; pkill nfsdcld; exportfs -ua' EXIT
        mount -t nfs4 -o vers=4.2 127.0.0.1:/ m
        tree; cp -r t m/; diff -r t m/t; echo there > /srv/nfs/seen; grep there m/seen
        flock m/seen sh -c '! flock --nonblock m/seen true'""",
    "loop device with partitions": """
        truncate -s 8M disk; printf 'label: dos\\n2048,4096\\n' | sfdisk -q disk; losetup -fP --show disk > device
        mkfs.ext4 -q $(cat device)p1; mount $(cat device)p1 m; umount m; losetup -d $(cat device)""",
    "LUKS": """
        truncate -s 32M disk; printf secret > key; cryptsetup luksFormat -q --pbkdf pbkdf2 --pbkdf-force-iterations 1000 disk key
        cryptsetup open --key-file key disk hidden; mkfs.ext4 -q /dev/mapper/hidden; mount /dev/mapper/hidden m; echo readable > m/file
        umount m; cryptsetup close hidden; fails grep -q readable disk; cryptsetup open --key-file key disk hidden
        mount /dev/mapper/hidden m; grep readable m/file; umount m; cryptsetup close hidden""",
    "LVM": """
        truncate -s 64M disk other; one=$(losetup -f --show disk); two=$(losetup -f --show other); export LVM_SUPPRESS_FD_WARNINGS=1
        # Without udevd, LVM makes the nodes itself.
        sed -i 's/.*udev_sync = .*/udev_sync = 0/; s/.*udev_rules = .*/udev_rules = 0/' /etc/lvm/lvm.conf
        vgcreate -q gaol $one; lvcreate -q -y -L 40M -n data gaol; mkfs.ext4 -q /dev/gaol/data; mount /dev/gaol/data m; echo before > m/file
        vgextend -q gaol $two; lvcreate -q -y -s -L 8M -n past gaol/data; echo after > m/file; umount m
        mount -o ro /dev/gaol/past m; grep before m/file; umount m; vgremove -q -y gaol; losetup -d $one $two""",
    "swap": "truncate -s 16M disk; losetup -f --show disk > device; mkswap -q $(cat device); swapon $(cat device); grep loop /proc/swaps; swapoff $(cat device); losetup -d $(cat device)",
}  # fmt: skip
CONTROL_GROUPS = {
    "memory": """
        group mem; echo 16M > /sys/fs/cgroup/mem/memory.max; in_group mem head -c 1M /dev/zero > file
        fails in_group mem python3 -c 'bytearray(64 << 20)'; grep 'oom_kill 1' /sys/fs/cgroup/mem/memory.events""",
    "pids": "group few; echo 3 > /sys/fs/cgroup/few/pids.max; in_group few sh -c 'true; true'; fails in_group few sh -c 'sleep 9 & sleep 9 & sleep 9 & sleep 9'; grep -E 'max [1-9]' /sys/fs/cgroup/few/pids.events; echo 1 > /sys/fs/cgroup/few/cgroup.kill",
    "cpu": """
        group slow; echo '2000 20000' > /sys/fs/cgroup/slow/cpu.max
        in_group slow sh -c 'while ! grep -qE "nr_throttled [1-9]" /sys/fs/cgroup/slow/cpu.stat; do :; done'""",
    "io": "group disk; tree; in_group disk cat t/random > copy; test -e /sys/fs/cgroup/disk/io.stat",
    "freezer": """
        group ice; in_group ice sleep 100 & while ! grep -q . /sys/fs/cgroup/ice/cgroup.procs; do :; done
        echo 1 > /sys/fs/cgroup/ice/cgroup.freeze; while ! grep -q 'frozen 1' /sys/fs/cgroup/ice/cgroup.events; do :; done
        echo 0 > /sys/fs/cgroup/ice/cgroup.freeze; echo 1 > /sys/fs/cgroup/ice/cgroup.kill; fails wait $!""",
}  # fmt: skip
OTHER = {
    "what ps, vmstat and top read": "ps aux | grep 'ps aux'; ps -ef | grep 'ps -ef'; vmstat; top -bn1 > shown; fails grep -F '?' shown",
    "mount namespace": "unshare -m sh -c 'mount -t tmpfs t m && touch m/hidden'; fails test -e m/hidden",
    "PID namespace": "test $(unshare -pf --mount-proc sh -c 'echo $$; ps ax | wc -l' | tr '\\n' ' ' | cut -c1) = 1",
    "UTS namespace": "unshare -u sh -c 'hostname other; test $(hostname) = other'; fails test $(hostname) = other",
    "IPC namespace": "ipcmk -Q; test $(ipcs -q | grep -c 0x) = 1; unshare -i sh -c 'test $(ipcs -q | grep -c 0x) = 0'; ipcrm --all=msg",
    "network namespace": "test $(unshare -n ls /sys/class/net | wc -l) -le $(ls /sys/class/net | wc -l); test $(unshare -n ip -o link | wc -l) = 1",
    "cgroup namespace": "group own; in_group own unshare -C cat /proc/self/cgroup | grep -x '0::/'; in_group own cat /proc/self/cgroup | grep -x '0::/own'",
    "time namespace": "test $(unshare --time --boottime 1000000 cut -d. -f1 /proc/uptime) -gt 1000000",
    "user namespace": "chmod 711 /root; setpriv --reuid daemon --regid daemon --clear-groups unshare -Ur sh -c 'test $(id -u) = 0 && cat /proc/self/uid_map' | grep '0 .* 1 .* 1$'",
    "binfmt_misc": """
        mountpoint /proc/sys/fs/binfmt_misc || mount -t binfmt_misc b /proc/sys/fs/binfmt_misc
        printf ':gaoler:M::GAOL::/bin/cat:' > /proc/sys/fs/binfmt_misc/register; printf 'GAOL speaks' > program; chmod 755 program
        test "$(./program)" = 'GAOL speaks'; echo -1 > /proc/sys/fs/binfmt_misc/gaoler""",
    "BPF": "python3 /root/inside/bpf.py",
    "POSIX message queues": "mount -t mqueue q m; python3 /root/inside/mqueue.py; test -e m/gaoler; rm m/gaoler",
    "processor time, finer than a tick": """
        python3 -c 'import time; at = [time.process_time_ns() for _ in range(50000)]
steps = {after - before for before, after in zip(at, at[1:]) if after > before}; assert min(steps) < 1000000, steps'""",
    "random numbers": "timeout 5 head -c 1000000 /dev/random > r; test $(stat -c %s r) = 1000000",
}  # fmt: skip


@pytest.mark.parametrize("name", FILE_SYSTEMS)
def test_file_system(box, name):
    passes(box, PRELUDE + FILE_SYSTEMS[name])


@pytest.mark.parametrize("name", CONTROL_GROUPS)
def test_control_groups(box, name):
    passes(box, PRELUDE + CONTROL_GROUPS[name])


@pytest.mark.parametrize("name", OTHER)
def test_other(box, name):
    passes(box, PRELUDE + OTHER[name])
