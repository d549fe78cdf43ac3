"""Origins of the terminal domain: what a start is made of, and under which conditions actions run there.

Owns: the kinds of origin with their fields, what each resolves to on this machine, and the default of what is compared.
Does not own: unpacking and opening (`envs.sandbox`), or running (`envs.terminal.world`).

- `filesystem`: an archive of the source `fixtures`, by name. `fixture`; `unpack_at` {folder inside: member of the
  archive} (default: every member at `/`); `perturbed` (further fixtures with the same folders, against coincidences);
  `host_files` {path: text}; `needs` (a condition in words, not checked).
- `sandbox`: a small tree given in place. `files` {path: text, or an object: `text` or `base64` with `mode` (a number)
  and `mtime` (seconds since 1970)}, `folders` {path: mode}, `links` {path: target}; `setup`, a script that is run once
  before the first action, to make what text cannot say (a repository, an archive). What `files` has below `cwd` belongs
  to `user` where that is given as `uid:gid`, all else to root.
- `image`: a container image by the name it has in the source `images`, a JSON file {name: reference}.
- `harbor`: a task folder of the source `harbor`, by its name in `task`; it says the rest itself, see `harbor`.

All but the last have: `shell`: `fresh` (each action is a `bash -c` of its own with a plain environment, nothing but
files outlives it; the default of `filesystem`) or `session` (one shell that lives on; the default of the others);
`cwd`; `env`; `user`; `time_limit_s` of a command; `network`; `observation` (`plain`: output alone; `status`: an exit
status other than 0 is told too); `compare`, which narrows what counts: `files` (folders), `output` (always, reads,
never), `exit`, `cwd`, `environment`, `umask`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pivotgym.core.canonical import digest
from pivotgym.core.errors import InputError, MissingDependency, NotFound
from pivotgym.core.trajectory import Origin
from pivotgym.envs.base import sources
from pivotgym.envs.sandbox.contract import Base, Limits, ShellState
from pivotgym.envs.terminal import fields, harbor
from pivotgym.envs.terminal.fixtures import digest_of_file, fixture_path, unpacked_in
from pivotgym.envs.terminal.inline import Planned, owned, planned, write_tar

PLAIN_ENVIRONMENT = {
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin",
}
"""All variables that an action of a `fresh` shell starts with, beside the origin's `env`."""
FRESH_LIMIT_S = 8.0
SESSION_LIMIT_S = 30.0
MOST_LIMIT_S = 600.0
_SHARED = {"shell", "cwd", "env", "user", "time_limit_s", "network", "observation", "compare", "needs"}
_COMPARED = ("exit", "cwd", "environment", "umask")
_OUTPUTS = ("always", "reads", "never")


@dataclass(frozen=True)
class Compare:
    """What of two actions' effects counts.

    Attributes:
        files: Folders in which changed files count; volatile places among them are the comparator's.
        output: `always`, `reads` (where the expert's command only reads) or `never`.
    """

    files: tuple[str, ...] = ("/",)
    output: str = "reads"
    exit: bool = True
    cwd: bool = True
    environment: bool = True
    umask: bool = True

    def to_json(self) -> dict[str, Any]:
        """As `Effects.detail["compare"]` has it."""
        return {**asdict(self), "files": list(self.files)}


@dataclass(frozen=True)
class Setting:
    """A resolved origin: what actions run in.

    Attributes:
        bases: What the start is made of, then the perturbed variants of it.
        tree: Files given in place, put over each base.
        setup: A command run once after that, or "".
        fresh: Whether each action runs in a `bash -c` of its own.
        shell: Where a session begins; for `fresh`, where each action does.
        roots: Folders that hold the task's files.
        status: Whether an observation tells an exit status other than 0.
    """

    bases: tuple[Base, ...]
    compare: Compare
    tree: tuple[Planned, ...] = ()
    setup: str = ""
    fresh: bool = False
    shell: ShellState = field(default_factory=ShellState)
    roots: tuple[str, ...] = ("/",)
    limits: Limits = field(default_factory=Limits)
    network: bool = False
    status: bool = True

    @contextmanager
    def base(self, variant: int = 0) -> Iterator[Base]:
        """A base with the archives it needs on disk, for as long as the block runs."""
        base = self.bases[variant]
        if not self.tree:
            yield base
            return
        with TemporaryDirectory(prefix="pivotgym-tree-") as folder:
            archive = Path(folder) / "of the origin"  # what errors call it
            write_tar(archive, self.tree)
            yield replace(base, archives=(*base.archives, (archive, "/")))


def resolve(origin: Origin) -> Setting:
    """What an origin comes to on this machine.

    Raises:
        InputError: If the kind or a field is not one of this domain's; names it.
        MissingDependency: If a source it needs is not configured.
        NotFound: If the source has nothing of that name.
    """
    kind = _KINDS.get(origin.kind)
    if kind is None:
        raise InputError(f"origin: expected a kind of {sorted(_KINDS)}, got {origin.kind!r}")
    return kind(origin)


def identity(origin: Origin) -> dict[str, Any]:
    """JSON that names an origin with the content of what it names. Errors as for `resolve`."""
    setting = resolve(origin)
    return {"origin": origin.model_dump(), "bases": [json.loads(base.identity) for base in setting.bases]}


def _filesystem(origin: Origin) -> Setting:
    fields.check_names(origin, _SHARED | {"fixture", "unpack_at", "perturbed", "host_files"}, {"fixture"})
    fixture = fields.text(origin, "fixture")
    placed = {
        fields.inside(origin, "unpack_at", path): member for path, member in fields.mapping(origin, "unpack_at").items()
    }
    folder, roots = unpacked_in(origin, fixture_path(fixture), placed)
    host = {
        fields.inside(origin, "host_files", path): _encoded(origin, path, content)
        for path, content in fields.mapping(origin, "host_files").items()
    }
    names = (fixture, *fields.texts(origin, "perturbed"))
    shell, user = _shell_of(origin), fields.user(origin, "user")
    bases = tuple(_fixture_base(name, folder, host, shell, user) for name in names)
    return _setting(origin, bases, roots=roots, fresh=True)


def _fixture_base(name: str, folder: str, host: Mapping[str, bytes], shell: ShellState, user: str) -> Base:
    archive = fixture_path(name)
    content = {
        "archive": digest_of_file(archive),
        "at": folder,
        "files": {path: digest(text.hex()) for path, text in host.items()},
        "user": user,
    }
    return Base(_json(content), archives=((archive, folder),), files=host, shell=shell, user=user)


def _sandbox(origin: Origin) -> Setting:
    fields.check_names(origin, _SHARED | {"files", "folders", "links", "setup"}, set())
    shell, user = _shell_of(origin), fields.user(origin, "user")
    tree = owned(planned(origin), user, shell.cwd)
    content = {"tree": digest([asdict(one) | {"content": one.content.hex()} for one in tree]), "user": user}
    roots = tuple(sorted({"/" + one.path.split("/")[1] for one in tree} | {shell.cwd}))
    setup = fields.text(origin, "setup")
    return replace(
        _setting(origin, (Base(_json(content), shell=shell, user=user),), roots=roots), tree=tree, setup=setup
    )


def _image(origin: Origin) -> Setting:
    fields.check_names(origin, _SHARED | {"image"}, {"image"})
    name = fields.text(origin, "image")
    reference = images().get(name)
    if reference is None:
        raise NotFound(f"image: the source 'images' has no image called {name!r}; it has {sorted(images())}")
    shell, user = _shell_of(origin), fields.user(origin, "user")
    base = Base(_json({"image": reference, "user": user}), image=reference, shell=shell, user=user)
    return _setting(origin, (base,), roots=(shell.cwd,))


def _harbor(origin: Origin) -> Setting:
    task = harbor.folder_of(origin)
    base = harbor.base(task)
    return Setting(
        bases=(base,),
        compare=_compare(origin, ("/",), fresh=False),
        shell=base.shell,
        roots=(base.shell.cwd,),
        limits=harbor.limits(task),
        network=harbor.network(task),
    )


def images() -> dict[str, str]:
    """Image references by the names that origins may use; none where the source `images` is not configured.

    Raises:
        MissingDependency: If the source is no JSON object of texts.
    """
    place = sources.find("images")
    if place is None:
        return {}
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MissingDependency("source 'images': expected a JSON file {name: reference}, it cannot be read") from error
    if not isinstance(found, dict) or not all(isinstance(one, str) for one in found.values()):
        raise MissingDependency("source 'images': expected a JSON object of names and references")
    return found


def _setting(origin: Origin, bases: tuple[Base, ...], *, roots: tuple[str, ...], fresh: bool = False) -> Setting:
    fresh = fields.one_of(origin, "shell", ("fresh", "session"), "fresh" if fresh else "session") == "fresh"
    limit = fields.seconds(origin, "time_limit_s", FRESH_LIMIT_S if fresh else SESSION_LIMIT_S, MOST_LIMIT_S)
    default = "plain" if origin.kind == "filesystem" else "status"
    return Setting(
        bases=bases,
        compare=_compare(origin, roots, fresh),
        fresh=fresh,
        shell=bases[0].shell,
        roots=roots,
        limits=Limits(wall_s=limit),
        network=fields.flag(origin, "network", False),
        status=fields.one_of(origin, "observation", ("plain", "status"), default) == "status",
    )


def _shell_of(origin: Origin) -> ShellState:
    return ShellState(cwd=fields.folder(origin, "cwd", "/"), environment=fields.variables(origin, "env"))


def _compare(origin: Origin, roots: tuple[str, ...], fresh: bool) -> Compare:
    """The policy of an origin: where each action has a shell of its own, nothing but files and output outlives it."""
    default = Compare()
    if fresh:
        default = Compare(roots, "always", exit=False, cwd=False, environment=False, umask=False)
    given = dict(fields.mapping(origin, "compare"))
    unknown = sorted(given.keys() - {"files", "output", *_COMPARED})
    if unknown:
        raise InputError(f"origin: compare: no field is called {unknown[0]!r}")
    if "files" in given:
        if not isinstance(given["files"], list | tuple):
            raise fields.bad(origin, "compare.files", "a list of folders", given["files"])
        given["files"] = tuple(fields.inside(origin, "compare.files", path) for path in given["files"])
    if given.get("output", "never") not in _OUTPUTS:
        raise fields.bad(origin, "compare.output", f"one of {list(_OUTPUTS)}", given["output"])
    for name in _COMPARED:
        if not isinstance(given.get(name, False), bool):
            raise fields.bad(origin, f"compare.{name}", "true or false", given[name])
    return replace(default, **given)


def _encoded(origin: Origin, path: str, content: object) -> bytes:
    if not isinstance(content, str):
        raise fields.bad(origin, f"host_files.{path}", "a text", content)
    return content.encode("utf-8", "surrogateescape")


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True)


_KINDS: dict[str, Callable[[Origin], Setting]] = {
    "filesystem": _filesystem,
    "sandbox": _sandbox,
    "image": _image,
    harbor.KIND: _harbor,
}
KINDS = frozenset(_KINDS)
"""The kinds of origin that can be rebuilt."""
