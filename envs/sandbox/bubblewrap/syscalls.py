"""Linux calls that Python's standard library lacks, by ctypes. Owns no policy; every failure is an `OSError`."""

from __future__ import annotations

import ctypes
import os
import struct

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT, MS_BIND, MS_REC, MS_SLAVE = 1, 2, 4, 32, 4096, 0x4000, 0x80000
MS_RELATIME = 0x200000
MNT_DETACH = 2
RESOLVE_IN_ROOT, RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS = 0x10, 0x08, 0x02

_SYS_OPENAT2, _SYS_KEYCTL = 437, {"x86_64": 250, "aarch64": 219}.get(os.uname().machine, 250)
_JOIN_SESSION_KEYRING = 1
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return result


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else os.fsencode(text)


def mount(source: str, target: str, kind: str | None, flags: int = 0, options: str = "") -> None:
    """Mount a file system, or change a mount."""
    result = _libc.mount(_bytes(source), _bytes(target), _bytes(kind), ctypes.c_ulong(flags), _bytes(options))
    _checked(result, f"mount {kind or source} at {target}")


def bind_read_only(source: str, target: str) -> None:
    """Show a folder, with what is mounted in it, under another name too, read-only there."""
    mount(source, target, None, MS_BIND | MS_REC)
    # Flags that the folder has where it is mounted cannot be taken off, so they are named again.
    kept = os.statvfs(target).f_flag & (os.ST_NOEXEC | os.ST_NOATIME | os.ST_NODIRATIME | os.ST_RELATIME)
    mount("none", target, None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | _mount_flags(kept))


def _mount_flags(kept: int) -> int:
    # ST_RELATIME is another bit than MS_RELATIME; the others agree.
    return kept & ~os.ST_RELATIME | (MS_RELATIME if kept & os.ST_RELATIME else 0)


def unmount(target: str) -> None:
    """umount2(2), detached: it succeeds also while something in it is open."""
    _checked(_libc.umount2(_bytes(target), MNT_DETACH), f"unmount {target}")


def unshare(flags: int) -> None:
    """Put the calling process into new namespaces; it must have one thread where a user namespace is asked for."""
    _checked(_libc.unshare(flags), "unshare")


def open_inside(root: int, path: bytes, flags: int, mode: int = 0) -> int:
    """Open `path` as if the folder behind the descriptor `root` were `/`: no link or `..` leads out of it."""
    return _open(root, path, flags, mode, RESOLVE_IN_ROOT)


def open_beneath(folder: int, path: bytes, flags: int) -> int:
    """Open `path` in a folder; an error (`EXDEV`) where a link or `..` on the way leads out of it."""
    return _open(folder, path, flags, 0, RESOLVE_BENEATH)


def _open(folder: int, path: bytes, flags: int, mode: int, resolve: int) -> int:
    flags |= os.O_CLOEXEC
    how = struct.pack("QQQ", flags, mode if flags & os.O_CREAT else 0, resolve | RESOLVE_NO_MAGICLINKS)
    result = _libc.syscall(ctypes.c_long(_SYS_OPENAT2), folder, path, how, ctypes.c_size_t(len(how)))
    return _checked(result, f"open {os.fsdecode(path)}")


def own_keyring() -> None:
    """Leave the session keyring of whoever started this process, where the kernel has keyrings."""
    _libc.syscall(ctypes.c_long(_SYS_KEYCTL), _JOIN_SESSION_KEYRING, None)


def die_with_parent(signal: int) -> None:
    """Have this process sent `signal` when the thread that started it ends."""
    _checked(_libc.prctl(_PR_SET_PDEATHSIG, signal, 0, 0, 0), "prctl")


def readable_by_owner(on: bool) -> None:
    """Whether `/proc/self` belongs to this process's user, so that a process of that user may write its id maps."""
    _checked(_libc.prctl(_PR_SET_DUMPABLE, int(on), 0, 0, 0), "prctl")
