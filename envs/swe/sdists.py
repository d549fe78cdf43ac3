"""Source packages of PyPI: fetched by pip without dependencies, checked by hash, kept in a cache, read in memory.

Owns: the cache folder of source packages and the one way into it. Does not own: which are known (`tasks.packages`),
what is made of a tree.

A package whose digest nobody says is trusted on first use: an index never serves another file under the same name and
version, so the digest of what came first is noted beside it and holds from then on. To download a source package pip
asks its build script for metadata, which runs code of it on this machine. So what has no known digest is fetched only
where `PIVOTGYM_SWE_PACKAGES` names it; `*`, which allows wheels of all, does not.
"""

from __future__ import annotations

import hashlib
import posixpath
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from pivotgym.core.errors import MissingDependency, Unreachable
from pivotgym.core.wheels import cache_dir
from pivotgym.envs.swe import wheelhouse


@dataclass(frozen=True)
class Sdist:
    """A source package by name, version and the SHA-256 of its file; "" where any file of that version will do."""

    name: str
    version: str
    sha256: str = ""


def find_sdist(sdist: Sdist, *, fetch_name: str = "swe", cache: Path | None = None) -> Path:
    """The archive of a source package that was fetched before.

    Args:
        sdist: Which.
        fetch_name: What `pivotgym fetch` calls it, for the hint.
        cache: The cache folder.

    Raises:
        MissingDependency: If it was not fetched, or what lies there has another hash.
    """
    file = _place(sdist, cache)
    if not file.is_file():
        raise MissingDependency(
            f"{sdist.name} {sdist.version}: expected its source package in the cache, found nothing at {file}",
            hint=f"run `pivotgym fetch {fetch_name}`, or set PIVOTGYM_CACHE to the cache that holds it",
        )
    _check(sdist, file)
    return file


def fetch_sdist(sdist: Sdist, *, cache: Path | None = None) -> Path:
    """Download and check a source package, unless that was done before; safe beside other processes and kills.

    Raises:
        Unreachable: If pip cannot get it; its last lines are in the message.
        MissingDependency: If what came has another hash.
    """
    file = _place(sdist, cache)
    if file.is_file():
        _check(sdist, file)
        return file
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.parent) as scratch:
        got = _download(sdist, Path(scratch))
        _check(sdist, got)
        got.replace(file)
    return file


def pinned(sdist: Sdist, *, cache: Path | None = None) -> Sdist:
    """A source package with the digest that holds for it from its first use on; fetched if it was not yet.

    Args:
        sdist: Which; a digest that it has already must be that one.
        cache: The cache folder.

    Raises:
        MissingDependency: If it is not in the cache and the setting does not name it, or what lies in the cache is
            not what came first or has another digest than the given one.
        Unreachable: If pip cannot get it.
    """
    file = _place(sdist, cache)
    if not file.is_file():
        wheelhouse.check_named([sdist.name])
        fetch_sdist(sdist, cache=cache)
    note = file.with_name(f"{file.name}.sha256")
    if not note.is_file():
        with tempfile.TemporaryDirectory(dir=file.parent) as scratch:
            draft = Path(scratch, note.name)
            draft.write_text(hashlib.sha256(file.read_bytes()).hexdigest())
            draft.replace(note)
    found = replace(sdist, sha256=note.read_text().strip())
    for one in (found, sdist):
        _check(one, file)
    return found


def tree(archive: Path) -> dict[str, bytes]:
    """The regular files of a source package by their path below its top folder, sorted.

    Raises:
        MissingDependency: If it is no tar archive with one top folder.
    """
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(archive) as opened:
            for member in opened:
                path = posixpath.normpath(member.name)
                _, _, inner = path.partition("/")
                if path.startswith(("/", "..")) or not member.isfile() or not inner:
                    continue
                stream = opened.extractfile(member)
                found[inner] = stream.read() if stream else b""
    except (tarfile.TarError, OSError, EOFError) as error:
        raise MissingDependency(f"{archive.name}: expected a source package, it cannot be read: {error}") from error
    return dict(sorted(found.items()))


def _place(sdist: Sdist, cache: Path | None) -> Path:
    return (cache or cache_dir()) / "sdists" / f"{sdist.name}-{sdist.version}.tar.gz"


def _check(sdist: Sdist, file: Path) -> None:
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if sdist.sha256 and found != sdist.sha256:
        raise MissingDependency(
            f"{sdist.name} {sdist.version}: expected SHA-256 {sdist.sha256}, got {found}",
            hint=f"the index served another file; it was not used. If it lies in the cache, remove {file}",
        )


def _download(sdist: Sdist, folder: Path) -> Path:
    asked = folder / "asked.txt"
    # With its hash said, pip checks it before it runs any of the package's code.
    asked.write_text(f"{sdist.name}=={sdist.version}" + (f" --hash=sha256:{sdist.sha256}" if sdist.sha256 else ""))
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", sdist.name, "--quiet"]
    command += ["--dest", str(folder), "--requirement", str(asked)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    files = sorted(folder.glob("*.tar.gz"))
    if "DO NOT MATCH THE HASHES" in done.stderr:
        raise MissingDependency(
            f"{sdist.name} {sdist.version}: expected SHA-256 {sdist.sha256}, the index has another file",
            hint="it was not used; if a digest was given, give the one that the index has for the .tar.gz",
        )
    if done.returncode or not files:
        raise Unreachable(
            f"{sdist.name} {sdist.version}: pip could not download its source: {done.stderr.strip()[-500:]}",
            hint="check the network and pip's index settings",
        )
    return files[0]
