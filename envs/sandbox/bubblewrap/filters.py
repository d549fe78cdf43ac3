"""System calls that sandboxes do without, as a filter for bubblewrap (`--seccomp`).

Owns: which, and the filter's program. They are those that a container engine refuses by default for the same reasons
and that a user namespace alone lets through: keyrings, which the sandboxes of a server would share, and large parts of
the kernel that escapes have come by and no task needs (`bpf`, `io_uring`, `perf_event_open`, `userfaultfd`).

A refused call fails with `ENOSYS`, as on a kernel built without it, for which programs have another way.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Mapping
from pathlib import Path

_IO_URING = (425, 426, 427)
# Numbers of: add_key, request_key, keyctl, bpf, perf_event_open, userfaultfd; by the kernel's name of the architecture.
_X86_64 = {0xC000003E: (248, 249, 250, 321, 298, 323), 0x40000003: (286, 287, 288, 357, 336, 374)}
_ARM64 = {0xC00000B7: (217, 218, 219, 280, 241, 282), 0x40000028: (309, 310, 311, 386, 364, 388)}
_X32 = 0x40000000
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.ENOSYS


def program() -> bytes:
    """The filter for this machine; empty where the kernel has no filters, or the architecture is not known here."""
    known = {"x86_64": _X86_64, "aarch64": _ARM64}.get(os.uname().machine)
    if known is None or not Path("/proc/sys/kernel/seccomp").exists():
        return b""
    return _assembled(known)


def _assembled(tables: Mapping[int, tuple[int, ...]]) -> bytes:
    """Per architecture: skip it unless it is this one; refuse what is listed; allow the rest. Others are refused."""
    lines = [_line(_LOAD, _ARCHITECTURE_AT)]
    for architecture, numbers in tables.items():
        refused = [_line(_EQUAL, number, then=len(numbers) + len(_IO_URING) - place) for place, number in
                   enumerate((*numbers, *_IO_URING))]  # fmt: skip
        # What another binary interface of the same processor numbers differently (x32) is refused as a whole.
        block = [_line(_LOAD, _NUMBER_AT), _line(_AT_LEAST, _X32, then=len(refused) + 1), *refused]
        block += [_line(_RETURN, _ALLOW), _line(_RETURN, _REFUSE)]
        lines += [_line(_EQUAL, architecture, otherwise=len(block)), *block]
    return b"".join([*lines, _line(_RETURN, _REFUSE)])


def _line(code: int, value: int, *, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("=HBBI", code, then, otherwise, value)
