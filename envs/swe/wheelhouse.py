"""Python packages that an origin asks for: chosen once, kept by digest, laid into its tree.

Owns: which packages may be fetched, their resolution to wheels, the cache of these, unpacking them into a tree. Does
not own: what a tree says it needs (`metadata`), the Python they are for (`python_tools`).

An origin names packages; what they are is the server's to decide. Only wheels are taken, which pip downloads and
unpacks without running any of their code: it runs in sandboxes alone. Nothing is fetched for a name that the setting
`PIVOTGYM_SWE_PACKAGES` does not allow; what was fetched before is in the cache for everybody. The same requirements
come to the same wheels for as long as the cache is kept: the choice is written down beside them.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from pivotgym.core.errors import InputError, MissingDependency, NotFound, Unreachable
from pivotgym.core.wheels import cache_dir
from pivotgym.envs.swe import python_tools

ALLOWED = "PIVOTGYM_SWE_PACKAGES"
"""Setting: names of packages, separated by commas, that may be fetched with what they depend on; `*` for all wheels."""
DECLARED = "declared"
"""What stands in an origin's `packages` for all that its tree names as requirements."""
MAX_NAMED, MAX_BYTES = 100, 2**31
_LIMIT_S = 900.0
_PLAIN = re.compile(r"[A-Za-z0-9._\[\],<>=!~* -]{1,200}")
_lock = threading.Lock()
_without: dict[Path, str] = {}
"""Choices that this process found to be none, with the reason: pip takes long to say so."""
_MAX_WITHOUT = 1000
_local: set[str] = set()
"""What `naming` allows."""


@dataclass(frozen=True)
class ChosenWheel:
    """A wheel in the cache, by the name and the SHA-256 of its file."""

    file: str
    sha256: str

    @property
    def place(self) -> Path:
        """Where it lies."""
        return cache_dir() / "wheelhouse" / self.sha256 / self.file


def checked(names: Iterable[str], *, field: str = "packages") -> tuple[str, ...]:
    """Requirements in their plain form, sorted: a name, extras and versions, as this machine's sandboxes need them.

    Args:
        names: PEP 508 requirements; those whose marker does not hold in sandboxes are left out.
        field: Where they stand, for messages.

    Raises:
        InputError: If one is none, names a URL, or there are more than `MAX_NAMED`.
    """
    found = {text for name in names if (text := _plain(name, field))}
    if len(found) > MAX_NAMED:
        raise InputError(f"{field}: expected at most {MAX_NAMED} packages, got {len(found)}")
    return tuple(sorted(found))


def wheels_for(requirements: Sequence[str], constraints: Sequence[str] = ()) -> tuple[ChosenWheel, ...]:
    """The wheels of requirements and of all that they depend on, in the cache.

    Args:
        requirements: As `checked` gives them.
        constraints: Limits on the versions of whatever is taken, likewise.

    Raises:
        MissingDependency: If they are not in the cache and the setting does not allow to fetch them.
        NotFound: If there are no such wheels for this Python.
        Unreachable: If the package index cannot be asked.
        InputError: If they are too large.
    """
    return _wheels_for(tuple(requirements), tuple(constraints), str(cache_dir())) if requirements else ()


def check_named(names: Iterable[str]) -> None:
    """Whether source packages may be fetched: only those that the setting names, as pip runs their build scripts.

    Raises:
        MissingDependency: If one is not named; the hint has the setting.
    """
    refused = sorted({canonicalize_name(name) for name in names} - _allowed())
    if refused:
        raise MissingDependency(
            f"sdist: {', '.join(refused)} is none of the known source packages and not in the cache, and this server "
            "does not fetch it",
            hint=f"whoever runs it sets {ALLOWED}={','.join(refused)}; * is for wheels, which run no code when fetched",
        )


@contextmanager
def naming(names: Iterable[str]) -> Iterator[None]:
    """Allow these packages beside those of the setting, for a block: for commands whose user chose the origins."""
    added = {canonicalize_name(name) for name in names} - _local
    _local.update(added)
    try:
        yield
    finally:
        _local.difference_update(added)


def unpack(wheels: Sequence[ChosenWheel], packages: Path, scripts: Path, python: str) -> None:
    """Lay wheels into a tree, without running any of their code.

    Args:
        wheels: Which.
        packages: Its folder `site-packages`.
        scripts: Its folder of programs.
        python: The interpreter that programs name, as it is called inside.

    Raises:
        MissingDependency: If a wheel is no longer in the cache, or pip cannot read it.
    """
    with tempfile.TemporaryDirectory(dir=packages.parent) as scratch:
        options = ["--no-index", "--no-deps", "--no-compile", "--target", scratch, *_for_python()]
        done = _pip("install", *options, *(str(_intact(wheel).place) for wheel in wheels))
        if done.returncode:
            raise MissingDependency(f"packages: pip cannot unpack them: {done.stderr.strip()[-300:]}")
        for script in Path(scratch, "bin").glob("*"):
            _lay_script(script, scripts / script.name, python)
        shutil.rmtree(Path(scratch, "bin"), ignore_errors=True)
        shutil.copytree(scratch, packages, dirs_exist_ok=True)


def names_of(wheels: Iterable[ChosenWheel]) -> frozenset[str]:
    """Canonical names of the packages that wheels hold."""
    return frozenset(canonicalize_name(wheel.file.partition("-")[0]) for wheel in wheels)


def _plain(text: str, field: str) -> str:
    try:
        one = Requirement(text)
    except InvalidRequirement as error:
        raise InputError(f"{field}: expected names of packages with versions, got {text[:80]!r}") from error
    if one.url is not None:
        raise InputError(f"{field}: expected a package of the index, got a URL for {one.name!r}")
    if one.marker is not None and not one.marker.evaluate({**python_tools.markers(), "extra": ""}):
        return ""
    one.marker = None
    one.name = canonicalize_name(one.name)
    if not _PLAIN.fullmatch(str(one)):
        raise InputError(f"{field}: expected names of packages with versions, got {text[:80]!r}")
    return str(one)


@lru_cache(maxsize=256)
def _wheels_for(requirements: tuple[str, ...], constraints: tuple[str, ...], cache: str) -> tuple[ChosenWheel, ...]:
    asked = json.dumps([python_tools.version(), requirements, constraints])
    choice = Path(cache, "packages", f"{hashlib.sha256(asked.encode()).hexdigest()}.json")
    with _lock:
        if not choice.is_file():
            _check_allowed(requirements)
            if choice in _without:
                raise NotFound(_without[choice])
            try:
                _choose(requirements, constraints, choice)
            except NotFound as error:
                if len(_without) < _MAX_WITHOUT:
                    _without[choice] = error.message
                raise
    return tuple(ChosenWheel(**one) for one in json.loads(choice.read_text())["wheels"])


def _allowed() -> set[str]:
    return {canonicalize_name(name.strip()) for name in os.environ.get(ALLOWED, "").split(",") if name.strip()} | _local


def _check_allowed(requirements: Iterable[str]) -> None:
    allowed = _allowed()
    refused = sorted({Requirement(one).name for one in requirements} - allowed)
    if refused and "*" not in allowed:
        raise MissingDependency(
            f"packages: {', '.join(refused[:10])} are not in the cache, and this server fetches none of them",
            hint=f"whoever runs it sets {ALLOWED}={','.join(refused[:10])}, or * for all",
        )


def _choose(requirements: Sequence[str], constraints: Sequence[str], choice: Path) -> None:
    """Let pip choose and fetch; the wheels go into the cache by digest, the choice into its file."""
    choice.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=choice.parent) as scratch:
        limits = Path(scratch, "constraints.txt")
        limits.write_text("".join(f"{one}\n" for one in constraints))
        done = _pip("download", "--dest", scratch, "--constraint", str(limits), *_for_python(), "--", *requirements)
        if done.returncode:
            raise _refusal(requirements, done.stderr)
        files = sorted(Path(scratch).glob("*.whl"))
        if sum(_size(file) for file in files) > MAX_BYTES:
            raise InputError(f"packages: expected at most {MAX_BYTES >> 20} MiB unpacked, {requirements} have more")
        wheels = [ChosenWheel(file.name, hashlib.sha256(file.read_bytes()).hexdigest()) for file in files]
        for file, wheel in zip(files, wheels, strict=True):
            wheel.place.parent.mkdir(parents=True, exist_ok=True)
            file.replace(wheel.place)
        kept = {"requirements": requirements, "constraints": constraints, "wheels": [vars(one) for one in wheels]}
        draft = Path(scratch, "choice.json")
        draft.write_text(json.dumps(kept, indent=1))
        with suppress(FileExistsError):  # another process was quicker: its choice counts
            os.link(draft, choice)


def _refusal(requirements: Sequence[str], said: str) -> NotFound | Unreachable:
    missing = re.search(r"No matching distribution found for (.+)", said)
    conflict = re.search(r"The conflict is caused by:\n((?:    .+\n)+)", said)
    if missing or conflict or "ResolutionImpossible" in said:
        what = missing[1] if missing else ", ".join(requirements)
        why = f" ({'; '.join(conflict[1].split(chr(10))[:4])})" if conflict else ""
        return NotFound(f"packages: there are no wheels for Python {python_tools.version()} of {what[:300]}{why[:500]}")
    return Unreachable(
        f"packages: pip could not fetch {', '.join(requirements)[:200]}", hint="check the network and pip's settings"
    )


def _pip(command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "pip", "--quiet", "--no-input", "--disable-pip-version-check", command, *arguments]
    try:
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=_LIMIT_S)
    except subprocess.TimeoutExpired as error:
        raise Unreachable(f"packages: pip {command} took longer than {_LIMIT_S:g} s") from error


def _for_python() -> list[str]:
    return ["--only-binary=:all:", "--implementation=cp", f"--python-version={python_tools.version()}"]


def _size(wheel: Path) -> int:
    try:
        with zipfile.ZipFile(wheel) as opened:
            return sum(one.file_size for one in opened.infolist())
    except zipfile.BadZipFile as error:
        raise NotFound(f"packages: {wheel.name} is no wheel") from error


def _intact(wheel: ChosenWheel) -> ChosenWheel:
    if not wheel.place.is_file() or hashlib.sha256(wheel.place.read_bytes()).hexdigest() != wheel.sha256:
        raise MissingDependency(
            f"packages: {wheel.file} is no longer in the cache as it was fetched",
            hint=f"remove the folder packages/ in the cache, and set {ALLOWED} to fetch it again",
        )
    return wheel


def _lay_script(script: Path, place: Path, python: str) -> None:
    """Copy a program; one of Python names the interpreter of the tree."""
    head, newline, rest = script.read_bytes().partition(b"\n")
    if head.startswith(b"#!") and b"python" in head:
        head = f"#!{python}".encode()
    place.unlink(missing_ok=True)
    place.write_bytes(head + newline + rest)
    place.chmod(0o755)
