"""The system calls that generated code may make, and the filter that holds it to them (seccomp, a BPF program).

Everything that is not listed fails with EPERM: new processes, programs, namespaces, mounts, signals to others, sockets
that reach beyond the process, ptrace, bpf, io_uring, keys, userfaultfd, and what future kernels add.

The program is assembled here because libseccomp's bindings are no package of PyPI's, and this way an ordinary user
needs nothing but pip. Numbers: the kernel's unistd.h; instructions: linux/filter.h and seccomp(2).
"""

import ctypes
import platform
import struct

# Name, number on x86_64, number on aarch64 ("-": not there). A test compares them with libseccomp's.
PLAIN = """
brk 12 214, madvise 28 233, mmap 9 222, mprotect 10 226, mremap 25 216, munmap 11 215,
access 21 -, chdir 80 49, chmod 90 -, close 3 57, copy_file_range 326 285, creat 85 -, dup 32 23, dup2 33 -,
dup3 292 24, faccessat 269 48, faccessat2 439 439, fadvise64 221 223, fallocate 285 47, fchdir 81 50,
fchmod 91 52, fchmodat 268 53, fcntl 72 25, fdatasync 75 83, flock 73 32, fstat 5 80, fstatfs 138 44,
fsync 74 82, ftruncate 77 46, getcwd 79 17, getdents64 217 61, link 86 -, linkat 265 37, lseek 8 62,
lstat 6 -, mkdir 83 -, mkdirat 258 34, newfstatat 262 79, open 2 -, openat 257 56, pread64 17 67,
preadv 295 69, pwrite64 18 68, pwritev 296 70, read 0 63, readlink 89 -, readlinkat 267 78, readv 19 65,
rename 82 -, renameat 264 38, renameat2 316 276, rmdir 84 -, sendfile 40 71, stat 4 -, statfs 137 43,
statx 332 291, symlink 88 -, symlinkat 266 36, truncate 76 45, umask 95 166, unlink 87 -, unlinkat 263 35,
utimensat 280 88, write 1 64, writev 20 66,
epoll_create1 291 20, epoll_ctl 233 21, epoll_pwait 281 22, epoll_wait 232 -, eventfd2 290 19, pipe 22 -,
pipe2 293 59, poll 7 -, ppoll 271 73, pselect6 270 72, select 23 -,
getsockname 51 204, getsockopt 55 209, recvfrom 45 207, sendto 44 206, setsockopt 54 208, shutdown 48 210,
alarm 37 -, clock_getres 229 114, clock_gettime 228 113, clock_nanosleep 230 115, getitimer 36 102,
gettimeofday 96 169, nanosleep 35 101, setitimer 38 103, time 201 -, times 100 153,
exit 60 93, exit_group 231 94, futex 202 98, get_robust_list 274 100, getcpu 309 168, getegid 108 177,
geteuid 107 175, getgid 104 176, getgroups 115 158, getpgid 121 155, getpgrp 111 -, getpid 39 172,
getppid 110 173, getpriority 140 141, getrandom 318 278, getresgid 120 150, getresuid 118 148,
getrlimit 97 163, getrusage 98 165, getsid 124 156, gettid 186 178, getuid 102 174, membarrier 324 283,
restart_syscall 219 128, rseq 334 293, rt_sigaction 13 134, rt_sigpending 127 136, rt_sigprocmask 14 135,
rt_sigreturn 15 139, rt_sigtimedwait 128 137, sched_getaffinity 204 123, sched_getparam 143 121,
sched_getscheduler 145 120, sched_yield 24 124, set_robust_list 273 99, set_tid_address 218 96,
sigaltstack 131 132, sysinfo 99 179, uname 63 160, wait4 61 260, waitid 247 95,
"""
SPECIAL = "clone 56 220, clone3 435 435, ioctl 16 29, prlimit64 302 261, socketpair 53 199"

ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column of the table, AUDIT_ARCH_*
EPERM, ENOSYS = 1, 38

# Call -> (index of an argument, its allowed values); all 64 bits are compared.
THREAD = 0x3D0F00  # CLONE_VM|FS|FILES|SIGHAND|THREAD|SYSVSEM|SETTLS|PARENT_SETTID|CHILD_CLEARTID: what glibc asks for
ARGUMENTS = {
    "clone": (0, (THREAD, THREAD | 0x400000)),  # musl adds CLONE_DETACHED; without CLONE_THREAD it is a process
    "ioctl": (1, (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)),  # TCGETS TIOCGWINSZ FIONREAD FIONBIO FIO(N)CLEX
    "prlimit64": (0, (0,)),  # its own limits
    "socketpair": (0, (1,)),  # AF_UNIX, both ends its own: asyncio's way to wake itself
}

LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K
ALLOW, FAIL, KILL = 0x7FFF0000, 0x00050000, 0x80000000  # SECCOMP_RET_ALLOW, _ERRNO, _KILL_PROCESS
NUMBER_AT, ARCHITECTURE_AT, ARGUMENTS_AT = 0, 4, 16  # bytes into struct seccomp_data

PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2


def install_filter() -> None:
    """Hold this thread, and all that it starts, to the list. It cannot be taken back.

    Raises:
        OSError: The kernel takes no filter, or the processor is none of `ARCHITECTURES`.
    """
    program = assemble(platform_name())
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HL", len(program) // 8, ctypes.addressof(code))  # struct sock_fprog
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, header, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the kernel takes no filter")


def platform_name() -> str:
    machine = platform.machine()
    if machine not in ARCHITECTURES or struct.calcsize("P") != 8:
        raise OSError(ENOSYS, f"there is no table of system calls for {machine}")
    return machine


def assemble(machine: str) -> bytes:
    """The BPF program, 8 bytes an instruction."""
    column, architecture = ARCHITECTURES[machine]
    numbers = system_calls(PLAIN, column) | (special := system_calls(SPECIAL, column))
    program = [
        instruction(LOAD, ARCHITECTURE_AT),
        instruction(EQUAL, architecture, when_true=1),
        instruction(RETURN, KILL),
        instruction(LOAD, NUMBER_AT),  # x32's numbers start at 0x40000000, so none of them is listed
        *when_number(numbers["clone3"], [instruction(RETURN, FAIL | ENOSYS)]),  # libraries then use clone
    ]
    for name, number in numbers.items():
        if name not in special:
            program += when_number(number, [instruction(RETURN, ALLOW)])
    for name, (index, values) in ARGUMENTS.items():
        program += when_number(numbers[name], only_values(index, values))
    return b"".join([*program, instruction(RETURN, FAIL | EPERM)])


def system_calls(table: str, column: int) -> dict[str, int]:
    """Name -> number, of those that the architecture has."""
    rows = [entry.split() for entry in table.replace("\n", " ").split(",") if entry.strip()]
    return {row[0]: int(row[1 + column]) for row in rows if row[1 + column] != "-"}


def when_number(number: int, body: list[bytes]) -> list[bytes]:
    """Run `body`, which ends with a return, where the call has this number."""
    return [instruction(EQUAL, number, when_false=len(body)), *body]


def only_values(index: int, values: tuple[int, ...]) -> list[bytes]:
    """Allow the call where its argument is one of `values`, each below 2**32."""
    low = ARGUMENTS_AT + 8 * index  # both architectures are little-endian
    body = [instruction(LOAD, low + 4), instruction(EQUAL, 0, when_true=1), instruction(RETURN, FAIL | EPERM)]
    body.append(instruction(LOAD, low))
    for value in values:
        body += [instruction(EQUAL, value, when_false=1), instruction(RETURN, ALLOW)]
    return [*body, instruction(RETURN, FAIL | EPERM)]


def instruction(code: int, value: int, when_true: int = 0, when_false: int = 0) -> bytes:
    """struct sock_filter; the jumps count instructions that are skipped."""
    return struct.pack("HBBI", code, when_true, when_false, value)
