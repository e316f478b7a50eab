"""The table's numbers are the kernel's, and the filter decides as seccomp(2) says it does."""

import ctypes
import ctypes.util
import struct

import pytest

from qloratory.seccomp import ALLOW, ARCHITECTURES, ARGUMENTS, FAIL, KILL, PLAIN, SPECIAL, assemble, system_calls

ALL = PLAIN + ", " + SPECIAL


def decide(machine: str, call: int, arguments: tuple[int, ...] = (), architecture: int | None = None) -> int:
    """What the program returns for a system call: the few instructions of BPF that it consists of, carried out."""
    _, audit = ARCHITECTURES[machine]
    data = struct.pack("<IIQ6Q", call, architecture or audit, 0, *[*arguments, 0, 0, 0, 0, 0, 0][:6])
    program = list(struct.iter_unpack("HBBI", assemble(machine)))
    at = loaded = 0
    while True:
        code, when_true, when_false, value = program[at]
        at += 1
        if code == 0x06:
            return value
        if code == 0x20:
            (loaded,) = struct.unpack_from("<I", data, value)
        else:
            assert code == 0x15
            at += when_true if loaded == value else when_false


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_numbers_are_libseccomps(machine: str) -> None:
    name = ctypes.util.find_library("seccomp")
    if name is None:
        pytest.skip("there is no libseccomp to compare with")
    resolve = ctypes.CDLL(name).seccomp_syscall_resolve_name_arch
    column, audit = ARCHITECTURES[machine]
    named = [entry.split()[0] for entry in ALL.replace("\n", " ").split(",") if entry.strip()]
    known = {call: number for call in named if (number := resolve(ctypes.c_uint32(audit), call.encode())) >= 0}
    assert system_calls(ALL, column) == known
    assert len(named) == len(set(named))


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_listed_calls_are_allowed_and_all_others_refused(machine: str) -> None:
    column, _ = ARCHITECTURES[machine]
    plain = set(system_calls(PLAIN, column).values())
    special = system_calls(SPECIAL, column)
    for call in [*range(600), 0x40000000, 2**31, 2**32 - 1]:
        if call not in special.values():
            assert decide(machine, call) == (ALLOW if call in plain else FAIL | 1), call
    assert decide(machine, special["clone3"]) == FAIL | 38
    assert {name for name in special if name not in ARGUMENTS} == {"clone3"}


@pytest.mark.parametrize("machine", ARCHITECTURES)
@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments_are_compared_in_all_their_bits(machine: str, name: str) -> None:
    call = system_calls(SPECIAL, ARCHITECTURES[machine][0])[name]
    index, values = ARGUMENTS[name]
    for value in values:
        before = (7,) * index
        assert decide(machine, call, (*before, value)) == ALLOW
        for bit in range(64):
            if value ^ (1 << bit) not in values:
                assert decide(machine, call, (*before, value ^ (1 << bit))) == FAIL | 1


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_calls_of_another_architecture_end_the_process(machine: str) -> None:
    for architecture in (0x40000003, 0xC00000B7 if machine == "x86_64" else 0xC000003E, 1):  # i386 first
        assert decide(machine, 0, architecture=architecture) == KILL


def test_the_program_fits_the_kernel() -> None:
    """4096 instructions at most, and every jump within its 8 bits."""
    for machine in ARCHITECTURES:
        assert len(assemble(machine)) // 8 < 1024
