"""What a start is made of: a small `/etc` and a machine's folders, and whatever the origin brings, as tar archives.

Owns: which files of this machine's `/etc` are shown, as copies. Does not own: unpacking (`inside`), `/usr`, which is
mounted read-only (`arguments`).
"""

from __future__ import annotations

import hashlib
import io
import os
import posixpath
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from pivotgym.envs.sandbox.bubblewrap.arguments import HOSTNAME, SYSTEM_FOLDERS

MOUNTED_OVER = ("/proc", "/dev", "/sys", "/tmp", "/usr")
"""Folders that every base must have."""
_FOLDERS = {
    "etc": 0o755, "root": 0o700, "home": 0o755, "tmp": 0o1777, "var": 0o755, "var/tmp": 0o1777, "var/log": 0o755,
    "var/lib": 0o755, "var/cache": 0o755, "run": 0o755, "mnt": 0o755, "opt": 0o755, "srv": 0o755, "proc": 0o555,
    "sys": 0o555, "dev": 0o755, "usr": 0o755,
}  # fmt: skip
_FROM_HOST = (
    "alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "ssl/certs", "ssl/openssl.cnf", "ca-certificates",
    "ca-certificates.conf", "localtime", "timezone", "protocols", "services", "mime.types", "magic", "magic.mime",
    "os-release", "debian_version", "locale.alias", "inputrc", "terminfo", "python3", "perl", "bash.bashrc", "profile",
    "skel", "shells", "login.defs", "nanorc", "vim", "screenrc", "wgetrc", "pki/tls", "pki/ca-trust", "crypto-policies",
)  # fmt: skip
"""What of `/etc` programs need to run; nothing of it is secret, and what is not readable by all is left out."""
_USERS = (
    ("root", 0, "/root", "/bin/bash"), ("daemon", 1, "/usr/sbin", "/usr/sbin/nologin"),
    ("bin", 2, "/bin", "/usr/sbin/nologin"), ("sys", 3, "/dev", "/usr/sbin/nologin"),
    ("mail", 8, "/var/mail", "/usr/sbin/nologin"), ("www-data", 33, "/var/www", "/usr/sbin/nologin"),
    ("user", 1000, "/home/user", "/bin/bash"), ("nobody", 65534, "/nonexistent", "/usr/sbin/nologin"),
)  # fmt: skip
_GROUPS = {"adm": 4, "tty": 5, "disk": 6, "sudo": 27, "staff": 50, "users": 100}


def skeleton() -> bytes:
    """The tree of an empty machine that uses this machine's own tools, as a tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, mode in _FOLDERS.items():
            _folder(archive, name, mode)
        _folder(archive, "home/user", 0o755, owner=1000)
        for name in SYSTEM_FOLDERS:
            place = Path("/", name)
            if place.is_symlink():
                _link(archive, name, os.readlink(place))
            elif place.is_dir():
                _folder(archive, name, 0o755)
        _link(archive, "etc/mtab", "/proc/self/mounts")
        for name, text in _accounts().items():
            _file(archive, f"etc/{name}", text.encode(), 0o640 if name == "shadow" else 0o644)
        for name in _FROM_HOST:
            _copy(archive, Path("/etc", name))
    return buffer.getvalue()


def of_files(files: Mapping[str, bytes]) -> bytes:
    """Small files by absolute path, as a tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, content in files.items():
            _file(archive, path.lstrip("/"), content, 0o644)
    return buffer.getvalue()


def of_folder(folder: Path) -> int:
    """A folder's tree as a tar archive in a temporary file: its descriptor, which the caller closes.

    Modes and times are kept, everything belongs to root.
    """
    with tempfile.TemporaryFile() as stream:
        with tarfile.open(fileobj=stream, mode="w") as archive:
            for child in sorted(folder.iterdir()):
                archive.add(child, arcname=child.name, filter=_owned_by_root)
        stream.seek(0)
        return os.dup(stream.fileno())


def machine_identity() -> str:
    """What stands for this machine's own tools in a base's identity: another release or upgrade is another base."""
    facts = [HOSTNAME]
    for place in ("/etc/os-release", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/local/bin"):
        if Path(place).exists():
            facts.append(f"{place} {os.stat(place).st_mtime_ns}")
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()


def passwd_of(archives: Sequence[Sequence[str]], files: Sequence[int]) -> bytes:
    """The passwd file of the tree that these archives give, [name, folder inside] and a descriptor each; "" if none."""
    found = b""
    for (_, at), file in zip(archives, files, strict=True):
        inner = at.strip("/")
        if inner in ("", "etc"):
            found = _member(file, "passwd" if inner else "etc/passwd") or found
            os.lseek(file, 0, os.SEEK_SET)
    return found


def _member(file: int, name: str) -> bytes | None:
    """A file's content in an archive; `None` where it is not there, or the archive cannot be read."""
    found = None
    with (
        suppress(tarfile.TarError, EOFError, OSError),
        os.fdopen(os.dup(file), "rb") as stream,
        tarfile.open(fileobj=stream) as archive,
    ):
        for member in archive:
            if posixpath.normpath(member.name.lstrip("/")) == name and (opened := archive.extractfile(member)):
                found = opened.read()
    return found


def user_ids(passwd: bytes, user: str) -> tuple[int, int, str] | None:
    """Number, group and home of a user, given as `name`, `uid` or `uid:gid`, by a passwd file; `None` if unknown."""
    rows = [line.split(":") for line in passwd.decode(errors="replace").splitlines()]
    rows = [row for row in rows if len(row) >= 7 and row[2].isdecimal() and row[3].isdecimal()]
    name, _, group = user.partition(":")
    for row in rows:
        if name in (row[0], row[2]):
            return int(row[2]), int(group) if group.isdecimal() else int(row[3]), row[5]
    if name.isdecimal():
        return int(name), int(group) if group.isdecimal() else int(name), "/"
    return None


def _accounts() -> dict[str, str]:
    users = [f"{name}:x:{uid}:{uid}:{name}:{home}:{shell}" for name, uid, home, shell in _USERS]
    groups = {name: uid for name, uid, _, _ in _USERS if name != "nobody"} | _GROUPS | {"nogroup": 65534}
    return {
        "passwd": "\n".join(users) + "\n",
        "group": "".join(f"{name}:x:{gid}:\n" for name, gid in sorted(groups.items(), key=lambda item: item[1])),
        "shadow": "".join(f"{name}:*:19000:0:99999:7:::\n" for name, *_ in _USERS),
        "hostname": f"{HOSTNAME}\n",
        "hosts": f"127.0.0.1 localhost {HOSTNAME}\n::1 localhost ip6-localhost ip6-loopback\n",
        "resolv.conf": "",
        "nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\n",
        "fstab": "",
        "environment": "",
    }


def _header(name: str, mode: int, owner: int = 0) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.mode, header.uid, header.gid = mode, owner, owner
    return header


def _folder(archive: tarfile.TarFile, name: str, mode: int, *, owner: int = 0) -> None:
    header = _header(name, mode, owner)
    header.type = tarfile.DIRTYPE
    archive.addfile(header)


def _link(archive: tarfile.TarFile, name: str, target: str) -> None:
    header = _header(name, 0o777)
    header.type, header.linkname = tarfile.SYMTYPE, target
    archive.addfile(header)


def _file(archive: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    header = _header(name, mode)
    header.size = len(content)
    archive.addfile(header, io.BytesIO(content))


def _copy(archive: tarfile.TarFile, place: Path) -> None:
    if place.is_symlink():
        _link(archive, str(place)[1:], os.readlink(place))
    elif place.is_dir():
        for child in sorted(place.iterdir()):
            _copy(archive, child)
    elif place.is_file() and place.stat().st_mode & 0o004:
        _file(archive, str(place)[1:], place.read_bytes(), place.stat().st_mode & 0o755)


def _owned_by_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member
