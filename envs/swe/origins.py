"""Origins of the software-engineering domain: a repository at a commit, a source package, or an image.

Owns: the kinds of origin with their fields, and what each resolves to on this machine. Does not own: trees
(`checkouts`, `sdists`), opening them (`envs.sandbox`), or running (`envs.swe.world`).

- `git`: `repo` (`owner/name`, see `mirrors`), `commit` (full id; also as `base_commit`). Where runs do not tell them:
  `instance_id` of SWE-bench (`owner__name-number`) names the repository, and `blobs` {path: blob id}, as in the patch
  of a run, the commit (`base_commit`).
- `sdist`: `package`, `version` [, `sha256`; otherwise that of `tasks.packages`, or of what comes first, see `sdists`];
  `mutations`, a list of {`path`, `line`, `old`, `new`}: line `line`, which must be `old`, becomes `new`.
- `image`: `image`, a name in the source `images`, as in the terminal domain; its repository is at `workdir` already.

- Both trees also have `patch`, a git diff of what was changed before the run began; `packages`, a list of Python
  packages that the server lays into the tree (`wheelhouse`; names with optional versions, and `declared` for all that
  the tree's own metadata names); `constraints`, limits on the versions of whatever is chosen for these; `develop`:
  whether the tree is importable from everywhere, with its console scripts, as after `pip install -e .` (default: where
  there are packages); `pytest`: false where the run's machine had none.

All have: `workdir` (default `/testbed`); `files` {path below it: text}, put over the tree; `harness` (whose tools the
policy has, see `operations`; by default the tables that fit); `shell`: `fresh` (each command is a `bash -c` of its own
in `workdir`) or `session` (default: `session` for a harness that keeps one, else `fresh`); `test_command`, run in
`workdir` to tell edits apart that nothing else can; `env`; `time_limit_s` of a command; `network`; `observation`:
`plain`, `status` or `mini_swe_agent`. Notes of a source that are not read: `trajectory_writes_not_replayed`,
`image_name`.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from pivotgym.core.errors import InputError, NotFound
from pivotgym.core.trajectory import Origin
from pivotgym.envs.sandbox.contract import Base, Limits, ShellState
from pivotgym.envs.swe import checkouts, python_tools, sdists
from pivotgym.envs.swe.base_commit import base_commit
from pivotgym.envs.swe.mirrors import git_dir
from pivotgym.envs.swe.operations.tables import harnesses, table_of
from pivotgym.envs.swe.pythons import Python, python_of
from pivotgym.envs.swe.tasks.packages import packages
from pivotgym.envs.terminal import fields
from pivotgym.envs.terminal.origins import images

WORKDIR = "/testbed"
SESSIONS = frozenset({"openhands", "swe_agent", "codex", "claude_code"})
"""Harnesses whose shell lives on between commands."""
OBSERVATIONS = ("plain", "status", "mini_swe_agent")
PATH = f"{python_tools.FOLDER}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_LIMIT_S, _MOST_LIMIT_S = 60.0, 1800.0
_SHARED = {
    "workdir", "files", "harness", "shell", "test_command", "env", "time_limit_s", "network", "observation",
    "trajectory_writes_not_replayed",
}  # fmt: skip
_OF_TREES = {"patch", "packages", "constraints", "develop", "pytest"}
_INSTANCE = re.compile(r"([A-Za-z0-9-]+)__([A-Za-z0-9._-]+)-(\d+)")
_PACKAGE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
_VERSION = re.compile(r"[0-9][A-Za-z0-9.!+_-]{0,40}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
Builder = Callable[[Path], None]


@dataclass(frozen=True)
class Setting:
    """A resolved origin: what actions run in.

    Attributes:
        content: JSON that names what the tree is made of.
        build: Makes the tree in a folder, which stands for `/`; `None` for an image.
        workdir: The repository's folder.
        harness: Whose tools these are; "" for the tables that fit.
        fresh: Whether each command runs in a `bash -c` of its own.
        shell: Where a session begins; for `fresh`, where each command does.
        test_command: See the module; "" where there is none.
        observation: How a command's output is told.
    """

    content: Mapping[str, Any]
    build: Builder | None = None
    image: str = ""
    workdir: str = WORKDIR
    harness: str = ""
    fresh: bool = True
    shell: ShellState = field(default_factory=ShellState)
    test_command: str = ""
    limits: Limits = field(default_factory=Limits)
    network: bool = False
    observation: str = "plain"

    @contextmanager
    def base(self) -> Iterator[Base]:
        """The base; its tree is made only if the store has none of this content yet."""
        identity = json.dumps(self.content, sort_keys=True)
        if self.build is None:
            yield Base(identity, image=self.image, shell=self.shell)
            return
        with tempfile.TemporaryDirectory(prefix="pivotgym-tree-") as folder:
            yield Base(identity, folder=partial(_made, self.build, Path(folder, "tree")), shell=self.shell)


def resolve(origin: Origin) -> Setting:
    """What an origin comes to on this machine.

    Raises:
        InputError: If the kind or a field is not one of this domain's; names it.
        MissingDependency: If a source it needs is not configured.
        NotFound: If a source has nothing of that name.
    """
    kind = _KINDS.get(origin.kind)
    if kind is None:
        raise InputError(f"origin: expected a kind of {sorted(_KINDS)}, got {origin.kind!r}")
    return kind(origin)


def identity(origin: Origin) -> dict[str, Any]:
    """JSON that names an origin with the content of what it names. Errors as for `resolve`."""
    return {"origin": origin.model_dump(), "content": resolve(origin).content}


def _git(origin: Origin) -> Setting:
    known = {"repo", "commit", "base_commit", "instance_id", "blobs", "image_name"}
    fields.check_names(origin, _SHARED | _OF_TREES | known, set())
    repo, commit = _commit_of(origin)
    python = python_of(origin, partial(checkouts.read_at, repo, commit), partial(checkouts.version_of, repo, commit))
    return _tree(origin, {"repo": repo, "commit": commit}, partial(checkouts.check_out, repo, commit), python)


def _commit_of(origin: Origin) -> tuple[str, str]:
    """Repository and commit of a git origin."""
    instance = _INSTANCE.fullmatch(fields.text(origin, "instance_id"))
    repo = fields.text(origin, "repo") or (f"{instance[1]}/{instance[2]}" if instance else "")
    if not repo:
        raise InputError("origin of kind 'git': repo: missing", hint="give repo as owner/name")
    commit = fields.text(origin, "commit") or fields.text(origin, "base_commit")
    if commit:
        return repo, checkouts.checked_commit(commit)
    blobs = fields.mapping(origin, "blobs")
    if not blobs:
        raise InputError(
            "origin of kind 'git': commit: missing, and there are no blobs to find it by",
            hint="give commit, or blobs {path: blob id} from the patch that the run handed in",
        )
    ids = {path: _text(origin, path, blob) for path, blob in blobs.items()}
    return repo, base_commit(git_dir(repo), ids, number=instance[3] if instance else "")


def _sdist(origin: Origin) -> Setting:
    known = {"package", "version", "sha256", "mutations"}
    fields.check_names(origin, _SHARED | _OF_TREES | known, {"package", "version"})
    package, version = fields.text(origin, "package"), fields.text(origin, "version")
    sdist = _known_sdist(origin, package, version, fields.text(origin, "sha256"))
    mutations = tuple(_mutation(origin, one) for one in origin.get("mutations") or ())

    def build(folder: Path) -> None:
        for path, content in sdists.tree(sdists.fetch_sdist(sdist)).items():
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        for one in mutations:
            mutate(folder, one)

    content = {"sdist": sdist.sha256, "mutations": [list(vars(one).values()) for one in mutations]}
    python = python_of(origin, partial(_text_of, sdist), lambda: version)
    return _tree(origin, content, build, python)


@lru_cache(maxsize=256)
def _text_of(sdist: sdists.Sdist, path: str) -> str | None:
    content = sdists.tree(sdists.fetch_sdist(sdist)).get(path)
    return None if content is None else content.decode(errors="replace")


def _known_sdist(origin: Origin, package: str, version: str, given: str) -> sdists.Sdist:
    if not _PACKAGE.fullmatch(package):
        raise fields.bad(origin, "package", "the name of a package", package)
    if not _VERSION.fullmatch(version):
        raise fields.bad(origin, "version", "a version", version)
    if given and not _DIGEST.fullmatch(given):
        raise fields.bad(origin, "sha256", "64 hexadecimal digits", given)
    name = canonicalize_name(package)
    known = packages().get(name)
    if known is None or known.sdist.version != version:
        return sdists.pinned(sdists.Sdist(name, version, given))
    if given not in ("", known.sdist.sha256):
        raise fields.bad(origin, "sha256", f"{known.sdist.sha256}, which {package} {version} has", given)
    return known.sdist


def _image(origin: Origin) -> Setting:
    fields.check_names(origin, _SHARED | {"image"}, {"image"})
    name = fields.text(origin, "image")
    reference = images().get(name)
    if reference is None:
        raise NotFound(f"image: the source 'images' has no image called {name!r}; it has {sorted(images())}")
    if origin.get("files"):
        raise InputError("origin of kind 'image': files: expected none, an image brings its own")
    setting = _setting(origin, {"image": reference})
    return replace(setting, image=reference)


def _tree(origin: Origin, content: dict[str, Any], build: Builder, python: Python) -> Setting:
    setting = _setting(origin, {})
    files = {_below(origin, path): _text(origin, path, text) for path, text in fields.mapping(origin, "files").items()}
    patch = fields.text(origin, "patch")
    if not _encodes(patch):
        raise fields.bad(origin, "patch", "a text", repr(patch))
    content = {**content, "workdir": setting.workdir, "files": files, **python.identity()}
    content |= {"patch": patch} if patch else {}

    def whole(root: Path) -> None:
        folder = root / setting.workdir.lstrip("/")
        folder.parent.mkdir(parents=True, exist_ok=True)
        build(folder)
        if patch:
            checkouts.apply_patch(folder, patch)
        for path, text in files.items():
            checkouts.write_below(folder, path, text)
        python.lay(root, setting.workdir)

    environment = {"PATH": PATH, **setting.shell.environment}
    return replace(setting, content=content, build=whole, shell=replace(setting.shell, environment=environment))


def _setting(origin: Origin, content: dict[str, Any]) -> Setting:
    workdir = fields.folder(origin, "workdir", WORKDIR)
    # Trees are made by the server: no link of theirs may stand where it puts the tools.
    taken = python_tools.FOLDER
    if workdir == "/" or f"{workdir}/".startswith(f"{taken}/") or f"{taken}/".startswith(f"{workdir}/"):
        raise fields.bad(origin, "workdir", f"a folder below '/' that neither holds {taken} nor lies in it", workdir)
    harness = _harness(origin)
    default = "session" if harness in SESSIONS else "fresh"
    style = "mini_swe_agent" if harness == "mini_swe_agent" else "plain" if default == "fresh" else "status"
    limit = fields.seconds(origin, "time_limit_s", _LIMIT_S, _MOST_LIMIT_S)
    return Setting(
        content=content,
        workdir=workdir,
        harness=harness,
        fresh=fields.one_of(origin, "shell", ("fresh", "session"), default) == "fresh",
        shell=ShellState(cwd=workdir, environment=fields.variables(origin, "env")),
        test_command=fields.text(origin, "test_command"),
        limits=Limits(wall_s=limit, cpu_s=int(limit) + 60, memory_mb=2048),
        network=fields.flag(origin, "network", False),
        observation=fields.one_of(origin, "observation", OBSERVATIONS, style),
    )


def _harness(origin: Origin) -> str:
    name = fields.text(origin, "harness")
    table = table_of(name) if name else None
    if name and table is None:
        raise fields.bad(origin, "harness", f"one of {sorted(harnesses())}", name)
    return table.harness if table else ""


@dataclass(frozen=True)
class Mutation:
    """A line that is another one than the released file's."""

    path: str
    line: int
    old: str
    new: str


def mutate(folder: Path, mutation: Mutation) -> None:
    """Make a mutation in a tree.

    Raises:
        InputError: If the file has no such line, or it is another one.
    """
    place = folder / mutation.path
    lines = place.read_text(encoding="utf-8").split("\n") if place.is_file() else []
    found = lines[mutation.line - 1] if mutation.line <= len(lines) else None
    if found != mutation.old:
        raise InputError(
            f"mutations: expected line {mutation.line} of {mutation.path} to be {mutation.old!r}, got {found!r}"
        )
    lines[mutation.line - 1] = mutation.new
    place.write_text("\n".join(lines), encoding="utf-8")


def _mutation(origin: Origin, value: Any) -> Mutation:
    form = {"path": str, "line": int, "old": str, "new": str}
    fits = isinstance(value, Mapping) and value.keys() == form.keys()
    if not fits or not all(isinstance(value[name], kind) for name, kind in form.items()) or value["line"] < 1:
        raise fields.bad(origin, "mutations", f"objects of {sorted(form)}, line a number from 1", value)
    return Mutation(_below(origin, value["path"], "mutations"), value["line"], value["old"], value["new"])


def _below(origin: Origin, path: str, name: str = "files") -> str:
    """A path below the work folder, which leads nowhere else."""
    parts = path.split("/")
    long = len(parts) > fields.MAX_DEPTH or any(len(part) > fields.MAX_NAME_BYTES for part in parts)
    if not path or long or "\0" in path or not _encodes(path) or {"", ".", ".."} & set(parts):
        raise fields.bad(origin, name, "paths below the work folder, without '.' and '..'", path)
    return path


def _text(origin: Origin, path: str, text: Any) -> str:
    if not isinstance(text, str) or not _encodes(text):
        raise fields.bad(origin, f"files.{path}", "a text", repr(text))
    return text


def _encodes(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _made(build: Builder, folder: Path) -> Path:
    folder.mkdir(mode=0o755)
    build(folder)
    return folder


_KINDS: dict[str, Callable[[Origin], Setting]] = {"git": _git, "sdist": _sdist, "image": _image}
KINDS = frozenset(_KINDS)
"""The kinds of origin that can be rebuilt."""
