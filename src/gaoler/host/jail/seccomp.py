"""What the kernel's process may ask of the host: the calls that UML makes, and no others (pure).

The rest fails with EPERM rather than killing: UML's user processes live under a filter of UML's own, which answers their
calls with SIGSYS, and of two filters the stronger answer counts (seccomp(2): kill, trap, errno, trace, log, allow). In
ptrace mode their calls are taken away before any filter is asked.
"""

from __future__ import annotations

import errno
from typing import Any

_FILES = """
access chmod chown close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2 fadvise64 fallocate
fchmod fchmodat fchmodat2 fchown fchownat fcntl fdatasync fgetxattr flistxattr flock fremovexattr fsetxattr fstat
fstatfs fsync ftruncate futimesat getcwd getdents getdents64 getxattr lchown lgetxattr link linkat listxattr llistxattr
lremovexattr lseek lsetxattr lstat mkdir mkdirat mknod mknodat newfstatat open openat openat2 pipe pipe2 pread64 preadv
preadv2 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv removexattr rename renameat renameat2 rmdir
sendfile setxattr stat statfs statx symlink symlinkat sync_file_range syncfs truncate umask unlink unlinkat utime
utimensat utimes write writev
"""
_MEMORY = """
arch_prctl brk madvise membarrier memfd_create mincore mlock mlock2 mmap mprotect mremap msync munlock munmap
set_thread_area get_thread_area
"""
_PROCESSES = """
execve execveat exit exit_group fork get_robust_list getpgid getpgrp getpid getppid getpriority getrandom getrlimit
getrusage getsid gettid kill personality prctl prlimit64 process_vm_readv process_vm_writev ptrace rseq sched_getaffinity
sched_getparam sched_getscheduler sched_setaffinity sched_yield seccomp set_robust_list set_tid_address setpgid
setpriority setrlimit setsid sysinfo tgkill times tkill uname vfork wait4 waitid
"""
_SIGNALS_AND_TIME = """
alarm clock_getres clock_gettime clock_nanosleep epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2
epoll_wait eventfd eventfd2 futex futex_waitv getitimer gettimeofday nanosleep pause poll ppoll pselect6 restart_syscall
rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo
select setitimer sigaltstack signalfd signalfd4 time timer_create timer_delete timer_getoverrun timer_gettime
timer_settime timerfd_create timerfd_gettime timerfd_settime
"""
_IDENTITY = """
capget capset getegid geteuid getgid getgroups getresgid getresuid getuid setfsgid setfsuid setgroups setregid setresgid
setresuid setreuid setgid setuid
"""
_SOCKETS = """
accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg recvmsg sendmmsg sendmsg sendto
setsockopt shutdown
"""

_AF_UNIX = 1
_CLONE_NAMESPACES = 0x7E020080  # linux/sched.h: CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET, NEWTIME

# Questions about terminals, pipes and the TAP. Not its TUNSETPERSIST or TUNSETOWNER, nor btrfs' calls that make
# subvolumes, which would get around the disk's limit.
_IOCTLS = {
    "TCGETS": 0x5401,
    "TCSETS": 0x5402,
    "TCSETSW": 0x5403,
    "TCSETSF": 0x5404,
    "TIOCGWINSZ": 0x5413,
    "FIONREAD": 0x541B,
    "FIONBIO": 0x5421,
    "FIONCLEX": 0x5450,
    "FIOCLEX": 0x5451,
    "TUNGETFEATURES": 0x800454CF,
    "TUNGETIFF": 0x800454D2,
    "TUNGETVNETHDRSZ": 0x800454D7,
}


def filter_() -> dict[str, Any]:
    """The `seccomp` object of an OCI configuration."""
    plain = sorted(f"{_FILES} {_MEMORY} {_PROCESSES} {_SIGNALS_AND_TIME} {_IDENTITY} {_SOCKETS}".split())
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": errno.EPERM,
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": [
            _rule(plain),
            _rule(["clone"], {"index": 0, "value": _CLONE_NAMESPACES, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}),
            # Its flags are in memory, where no filter looks. The C library takes clone instead when it hears this.
            {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno.ENOSYS},
            _rule(["socket", "socketpair"], _equals(0, _AF_UNIX)),
            *(_rule(["ioctl"], _equals(1, number)) for number in _IOCTLS.values()),
        ],
    }


def _rule(names: list[str], *arguments: dict[str, Any]) -> dict[str, Any]:
    return {"names": names, "action": "SCMP_ACT_ALLOW", "args": list(arguments)}


def _equals(index: int, value: int) -> dict[str, Any]:
    return {"index": index, "value": value, "op": "SCMP_CMP_EQ"}
