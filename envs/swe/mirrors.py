"""Git repositories on this machine, by `owner/name`.

Owns: finding a repository's git directory or bundle in the source `git_mirrors`, cloning it once where the server
allows that, and running git there. Does not own: checkouts (`checkouts`), which commit is meant (the origin).

A client names `owner/name` and nothing else: neither a URL nor a path of its choice is ever followed.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tempfile
from pathlib import Path

from pivotgym.core.errors import InputError, MissingDependency, NotFound, Unreachable
from pivotgym.core.wheels import cache_dir
from pivotgym.envs.base import sources

SOURCE = "git_mirrors"
CLONE = "PIVOTGYM_GIT_CLONE"
"""Setting: where repositories that no mirror holds may be cloned from, such as `https://github.com`."""
_REPO = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,38}/[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_LIMIT_S = 1800.0


def git_dir(repo: str) -> Path:
    """The git directory of a repository.

    Args:
        repo: `owner/name`.

    Raises:
        InputError: If it is no such name.
        MissingDependency: If neither a mirror nor a place to clone from is configured.
        NotFound: If the mirrors do not hold it, and nothing may be cloned.
        Unreachable: If it cannot be cloned.
    """
    if not _REPO.fullmatch(repo) or ".." in repo:
        raise InputError(f"repo: expected 'owner/name', got {repo[:120]!r}")
    name = repo.replace("/", "+")
    mirrors = sources.find(SOURCE)
    found = None if mirrors is None else _git_dir_below(mirrors / name)
    if found is not None:
        return found
    bundle = None if mirrors is None else _bundle_below(mirrors, name)
    if bundle is not None:
        return _unbundled(repo, bundle)
    if os.environ.get(CLONE):
        return _cloned(repo, cache_dir() / "git" / f"{name}.git")
    how = f"put its clone at {name}/ in that folder, or a bundle at {name}.bundle, or set {CLONE}=https://github.com"
    if mirrors is None:
        raise MissingDependency(
            f"source {SOURCE!r}: not configured on this machine, so {repo} cannot be checked out",
            hint=f"set {sources.VARIABLE}{SOURCE.upper()}=FOLDER of owner+name/ folders, or {CLONE}=https://github.com",
        )
    raise NotFound(f"repo: the source {SOURCE!r} does not hold {repo}", hint=how)


def git(folder: Path, *arguments: str, limit_s: float = _LIMIT_S) -> bytes:
    """What a git command prints in a repository, run without this machine's git settings.

    Raises:
        NotFound: If git refuses; its last words are in the message.
    """
    settings = ["-c", "safe.directory=*", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"]
    command = ["git", *settings, "-c", "uploadpack.allowAnySHA1InWant=true", "-c", "protocol.version=2", *arguments]
    plain = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    try:
        done = subprocess.run(command, cwd=folder, env=kept | plain, capture_output=True, check=False, timeout=limit_s)
    except FileNotFoundError as error:
        raise MissingDependency("git: not installed on this machine", hint="apt-get install git") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()[-300:]
        raise NotFound(f"git {arguments[0]}: {said or f'ended with exit status {done.returncode}'}")
    return done.stdout


def _git_dir_below(folder: Path) -> Path | None:
    """The folder itself, or a git directory one or two levels below it."""
    places = [folder, folder / ".git"]
    if folder.is_dir():
        places += [place for child in sorted(folder.iterdir()) if child.is_dir() for place in (child, child / ".git")]
    return next((one for one in places if (one / "HEAD").is_file() and (one / "objects").is_dir()), None)


def _bundle_below(folder: Path, name: str) -> Path | None:
    """The bundle of a repository: `owner+name.bundle`, or the first one in its folder."""
    places = [folder / f"{name}.bundle", *sorted((folder / name).glob("*.bundle"))]
    return next((one for one in places if one.is_file()), None)


def _unbundled(repo: str, bundle: Path) -> Path:
    """A bundle's clone in the cache; one that was put there anew is cloned anew."""
    told = bundle.stat()
    key = hashlib.sha256(f"{bundle.absolute()} {told.st_size} {told.st_mtime_ns}".encode()).hexdigest()[:16]
    try:
        return _clone(str(bundle.absolute()), cache_dir() / "git" / f"{repo.replace('/', '+')}-{key}.git")
    except (NotFound, subprocess.TimeoutExpired) as error:
        hint = "make it with `git bundle create FILE --all` of a whole clone"
        raise NotFound(f"repo: the bundle of {repo} cannot be read: {error}", hint=hint) from error


def _cloned(repo: str, place: Path) -> Path:
    try:
        return _clone(f"{os.environ[CLONE].rstrip('/')}/{repo}", place)
    except (NotFound, subprocess.TimeoutExpired) as error:
        raise Unreachable(f"repo: {repo} cannot be cloned: {error}", hint=f"check {CLONE} and the network") from error


def _clone(source: str, place: Path) -> Path:
    """A mirror of a repository, made once. Errors as for `git`."""
    if place.is_dir():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
        git(Path(scratch), "clone", "--quiet", "--mirror", source, "clone.git")
        try:
            (Path(scratch) / "clone.git").rename(place)
        except OSError:  # another process was quicker
            if not place.is_dir():
                raise
    return place
