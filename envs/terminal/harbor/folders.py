"""Task folders of Harbor and of Terminal-Bench 1: what stands where, and what of it is supported.

Owns: folder -> `TaskFolder`. Does not own: images (`envs.sandbox.docker`), running tests (`outcome`).

| | Harbor | Terminal-Bench 1 |
|---|---|---|
| settings | `task.toml` | `task.yaml` |
| instruction | `instruction.md` | `instruction` in the settings |
| start | `environment/` with a Dockerfile, or `docker_image` | `Dockerfile`, or that of `docker-compose.yaml` |
| tests | `tests/test.sh`, which writes a reward | `run-tests.sh` and `tests/`, whose pytest summary is read |
| solution | `solution/solve.sh` | `solution.sh` |

Not supported, and named as such: several containers, several steps, a verifier in an image of its own, Windows.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from pivotgym.core.canonical import digest
from pivotgym.core.errors import InputError

Layout = Literal["harbor", "terminal-bench"]
_DEEP = 6
_SCRIPTS = {"harbor": "tests/test.sh", "terminal-bench": "run-tests.sh"}
_SOLUTIONS = {"harbor": "solution/solve.sh", "terminal-bench": "solution.sh"}


@dataclass(frozen=True)
class TaskFolder:
    """A task as its folder says.

    Attributes:
        name: The folder's name, unique in its source.
        folder: Where it is.
        instruction: What the agent is told.
        context: What its image is built from; `None` where `image` names one.
        dockerfile: The Dockerfile's path in `context`.
        image: An image to take as it is, or "".
        workdir: Where agent and tests begin; "" for where the image says.
        network: Whether agent and tests may use the network.
        agent_s: Seconds the agent has in all; `tests_s` the tests, `build_s` the build.
        test_env: Variables for the tests.
        repairs_tools: Whether mending the system's own programs is the task, so that they are tested as they were left.
    """

    name: str
    folder: Path
    layout: Layout
    instruction: str
    context: Path | None = None
    dockerfile: str = "Dockerfile"
    image: str = ""
    workdir: str = ""
    network: bool = True
    memory_mb: int = 2048
    storage_mb: int = 10240
    agent_s: float = 900.0
    tests_s: float = 600.0
    build_s: float = 600.0
    test_env: Mapping[str, str] = field(default_factory=dict)
    repairs_tools: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def script(self) -> Path:
        """The script that tests."""
        return self.folder / _SCRIPTS[self.layout]

    @property
    def solution(self) -> Path | None:
        """The script that solves the task, where there is one."""
        place = self.folder / _SOLUTIONS[self.layout]
        return place if place.is_file() else None

    def tests(self) -> dict[str, bytes]:
        """The files of `/tests`, by their path there."""
        folder = self.folder / "tests"
        found = {str(path.relative_to(folder)): path.read_bytes() for path in _files(folder)} if folder.is_dir() else {}
        return found if self.layout == "harbor" else {**found, self.script.name: self.script.read_bytes()}

    def digest(self) -> str:
        """SHA-256 of all that its start is made of."""
        files = _files(self.context) if self.context is not None else []
        content = [[str(path.relative_to(self.folder)), _sha256(path), path.stat().st_mode & 0o777] for path in files]
        return digest([self.image, self.dockerfile, content])


def read_folders(place: Path) -> tuple[list[TaskFolder], dict[str, str]]:
    """The tasks of a folder and, by name, why others in it cannot be run.

    Args:
        place: One task folder, or a folder of them, up to six levels down. Hidden folders and links are passed over.
    """
    found: dict[str, TaskFolder] = {}
    refused: dict[str, str] = {}
    for folder in _task_folders(place, _DEEP):
        try:
            if folder.name in found:
                raise InputError(f"two folders are called {folder.name!r}; expected names unique in the source")
            found[folder.name] = read_folder(folder)
        except InputError as error:
            refused[folder.name] = error.message
    return list(found.values()), refused


def find_folder(place: Path, name: str) -> TaskFolder | None:
    """One task of a folder of them, by its name. Errors as for `read_folder`."""
    found = next((folder for folder in _task_folders(place, _DEEP) if folder.name == name), None)
    return None if found is None else read_folder(found)


def read_folder(folder: Path) -> TaskFolder:
    """One task.

    Raises:
        InputError: If a file it needs is missing or cannot be read, or it needs what is not supported.
    """
    task = _harbor(folder) if (folder / "task.toml").is_file() else _terminal_bench(folder)
    if not task.instruction.strip():
        raise InputError(f"task {task.name!r}: the instruction is empty")
    if not task.script.is_file():
        raise InputError(f"task {task.name!r}: expected the tests' script {_SCRIPTS[task.layout]}, found none")
    if not task.image and not (task.context is not None and (task.context / task.dockerfile).is_file()):
        raise InputError(f"task {task.name!r}: expected a Dockerfile or the name of an image, found neither")
    return task


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _task_folders(place: Path, deep: int) -> list[Path]:
    if (place / "task.toml").is_file() or (place / "task.yaml").is_file():
        return [place]
    inner = sorted(path for path in place.iterdir() if path.is_dir() and not path.is_symlink()) if deep else []
    return [found for path in inner if not path.name.startswith(".") for found in _task_folders(path, deep - 1)]


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _harbor(folder: Path) -> TaskFolder:
    try:
        said = tomllib.loads((folder / "task.toml").read_text(encoding="utf-8"))
        instruction = (folder / "instruction.md").read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"task {folder.name!r}: cannot be read: {error}") from error
    environment, verifier, agent = (_table(folder, said, name) for name in ("environment", "verifier", "agent"))
    for unsupported, why in (
        ("steps" in said, "several steps"),
        (verifier.get("environment_mode") == "separate" or "environment" in verifier, "a verifier in its own image"),
        (environment.get("os", "linux") != "linux", "another system than Linux"),
        (_services(folder, folder / "environment") > 1, "several containers"),
    ):
        if unsupported:
            raise InputError(f"task {folder.name!r}: needs {why}, which is not supported")
    own = _table(folder, _table(folder, said, "metadata"), "pivotgym")
    image = str(environment.get("docker_image", ""))
    return TaskFolder(
        name=folder.name,
        folder=folder,
        layout="harbor",
        instruction=_without_canary(instruction),
        context=None if image else folder / "environment",
        image=image,
        workdir=str(environment.get("workdir") or ""),
        network=_network(environment),
        memory_mb=_megabytes(folder, environment, "memory", 2048),
        storage_mb=_megabytes(folder, environment, "storage", 10240),
        agent_s=_seconds(folder, agent, "timeout_sec", 900.0),
        tests_s=_seconds(folder, verifier, "timeout_sec", 600.0),
        build_s=_seconds(folder, environment, "build_timeout_sec", 600.0),
        test_env={name: str(value) for name, value in _table(folder, verifier, "env").items()},
        repairs_tools=own.get("repairs_tools") is True,
        metadata=_table(folder, said, "metadata"),
    )


def _terminal_bench(folder: Path) -> TaskFolder:
    try:
        said = yaml.safe_load((folder / "task.yaml").read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"task {folder.name!r}: cannot be read: {error}") from error
    if not isinstance(said, dict):
        raise InputError(f"task {folder.name!r}: expected task.yaml to hold fields, got {type(said).__name__}")
    if said.get("parser_name", "pytest") != "pytest":
        raise InputError(f"task {folder.name!r}: expected the parser 'pytest', got {said['parser_name']!r}")
    if _services(folder, folder) > 1:
        raise InputError(f"task {folder.name!r}: needs several containers, which is not supported")
    described = said.get("descriptions") or [{}]
    return TaskFolder(
        name=folder.name,
        folder=folder,
        layout="terminal-bench",
        instruction=str(said.get("instruction") or described[0].get("description", "")),
        context=folder,
        dockerfile=_compose_dockerfile(folder),
        agent_s=_seconds(folder, said, "max_agent_timeout_sec", 360.0),
        tests_s=_seconds(folder, said, "max_test_timeout_sec", 60.0),
        metadata={name: said[name] for name in ("difficulty", "category", "tags") if name in said},
    )


def _table(folder: Path, said: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = said.get(name, {})
    if not isinstance(found, dict):
        raise InputError(f"task {folder.name!r}: {name}: expected a table, got {found!r:.80}")
    return found


def _seconds(folder: Path, said: Mapping[str, Any], name: str, default: float) -> float:
    given = said.get(name, default)
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given < float("inf"):
        raise InputError(f"task {folder.name!r}: {name}: expected seconds greater than 0, got {given!r:.80}")
    return float(given)


def _megabytes(folder: Path, said: Mapping[str, Any], name: str, default: int) -> int:
    """A size: `NAME_mb` as a number, or the older `NAME` as a text such as `2G`."""
    given = said.get(f"{name}_mb", said.get(name, default))
    units = {"K": 1 / 1024, "M": 1, "G": 1024, "T": 1024 * 1024}
    try:
        text = str(given).upper().removesuffix("B").removesuffix("I")
        megabytes = float(text[:-1]) * units[text[-1]] if text[-1:] in units else float(text)
    except ValueError:
        megabytes = 0.0
    if not 1 <= megabytes < 1e9:
        raise InputError(f"task {folder.name!r}: {name}: expected a size in MiB or such as '2G', got {given!r:.80}")
    return int(megabytes)


def _network(environment: Mapping[str, Any]) -> bool:
    if "network_mode" in environment:
        return environment["network_mode"] not in ("none", "no-network", "no_network")
    return environment.get("allow_internet") is not False


def _compose(folder: Path, place: Path) -> dict[str, Any]:
    """The services of a compose file, if there is one."""
    for name in ("docker-compose.yaml", "docker-compose.yml"):
        if (place / name).is_file():
            try:
                said = yaml.safe_load((place / name).read_text(encoding="utf-8"))
                return dict(said["services"])
            except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError) as error:
                raise InputError(f"task {folder.name!r}: {name}: cannot be read: {error}") from error
    return {}


def _services(folder: Path, place: Path) -> int:
    return len(_compose(folder, place))


def _compose_dockerfile(folder: Path) -> str:
    for service in _compose(folder, folder).values():
        build = service.get("build") if isinstance(service, dict) else None
        if isinstance(build, dict) and str(build.get("context", ".")) in (".", "./"):
            return str(build.get("dockerfile", "Dockerfile"))
    return "Dockerfile"


def _without_canary(instruction: str) -> str:
    """Without the leading lines that only mark a text as a benchmark's."""
    lines = instruction.splitlines()
    while lines and (not lines[0].strip() or ("canary" in lines[0].lower() and lines[0].startswith(("#", "<!--")))):
        lines.pop(0)
    return "\n".join(lines).strip() + "\n"
