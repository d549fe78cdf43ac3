"""The pages of MiniWoB++, served from the fetched PyPI package `miniwob`.

Owns: which package, where its files lie, how an episode is begun with a seed, and the page's own reward. Does not own:
the pages themselves (nothing of the package is part of this project; `pivotgym fetch miniwob` gets it, without the
Selenium and Gymnasium that it would install), or tasks on them (`envs.browsing.pages.tasks.miniwob`).

The state of such a page is its running script, so that a state is rebuilt by replay.
"""

from __future__ import annotations

import json
import mimetypes
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Self
from urllib.parse import unquote, urlsplit

from pivotgym.core.canonical import digest
from pivotgym.core.errors import InputError
from pivotgym.core.wheels import Wheel, fetch_wheel, find_wheel
from pivotgym.envs.base.contract import Task
from pivotgym.envs.browsing.pages.contract import Request, Response, Site
from pivotgym.envs.browsing.pages.sites import own_fields

WHEEL = Wheel("miniwob", "1.1.0", "297006e84219d56ad037e843527ed773a4a82509dc43b6031ec4a3ad3e3e61d9")
ADDRESS = "http://miniwob.test"
NEVER_MS = 100_000_000
"""Length of an episode by the page's own clock: its time limit must not depend on how fast this machine is."""
_BEGUN = "begunBySeed"
"""Marks the document whose episode was begun by `ready_script`."""


def fetch(cache: Path | None = None) -> Path:
    """Download, check and unpack the package unless it is there; the folder it lies in.

    Raises:
        Unreachable: If it cannot be downloaded.
        MissingDependency: If what came is another file.
    """
    return fetch_wheel(WHEEL, cache=cache)


def pages(cache: Path | None = None) -> Path:
    """The folder of the pages and what they load.

    Raises:
        MissingDependency: If the package was not fetched.
    """
    return find_wheel(WHEEL, fetch_name="miniwob", cache=cache) / "miniwob" / "html"


class MiniWob(Site):
    """One page of MiniWoB++. Origin: `{kind: "miniwob", task, seed}`, `seed` a text or a whole number."""

    name: ClassVar[str] = "miniwob"
    addresses: ClassVar[tuple[str, ...]] = (ADDRESS,)
    scripted: ClassVar[bool] = True

    def __init__(self) -> None:
        self._folder = Path()
        self._task = ""
        self._seed: str | int = ""

    def start(self, origin: Mapping[str, Any], seed: int) -> str:
        """See `Site.start`; without a seed in the origin, `seed` begins the episode."""
        fields = own_fields(origin, ("task", "seed"))
        named = fields.get("seed", seed)
        if isinstance(named, bool) or not isinstance(named, str | int):
            raise InputError(f"origin.seed: expected a text or a whole number, got {named!r}")
        folder, task = pages(), fields.get("task")
        if not isinstance(task, str) or task not in _tasks(folder):
            raise InputError(
                f"origin.task: {task!r} is no page of {WHEEL.name} {WHEEL.version}",
                hint="a name such as 'click-test-2', without .html",
            )
        self._folder, self._task, self._seed = folder, task, named
        return f"{ADDRESS}/miniwob/{task}.html"

    def handle(self, request: Request) -> Response:
        """See `Site.handle`: the package's files, to be read only."""
        if request.method not in ("GET", "HEAD"):
            return Response(b"", 405, {"allow": "GET, HEAD"})
        try:
            path = unquote(urlsplit(request.url).path, errors="strict")
            body = _file(self._folder, path.lstrip("/"))
        except (ValueError, OSError):  # an address can hold what no file name may: NUL, 5,000 letters
            body = None
        if body is None:
            return Response(b"there is no such file", 404, {"content-type": "text/plain; charset=utf-8"})
        return Response(body, 200, {"content-type": _type(path)})

    def fork(self) -> Self:
        """See `Site.fork`."""
        copy = type(self)()
        copy._folder, copy._task, copy._seed = self._folder, self._task, self._seed
        return copy

    def digest(self) -> str:
        """See `Site.digest`: files do not change."""
        return digest([WHEEL.version, self._task, self._seed])

    def outcome(self, task: Task, ended: Mapping[str, Any]) -> float:
        """1.0 if the page ended its episode with the full raw reward; partial and negative rewards are 0.0."""
        return float(bool(ended.get("done")) and ended.get("reward") == 1)

    def ready_script(self) -> str:
        """See `Site.ready_script`: begins the episode; then stops the countdown and hides what tells the reward."""
        return (
            f"Math.seedrandom({json.dumps(self._seed)}); core.EPISODE_MAX_TIME = {NEVER_MS}; core.startEpisodeReal();"
            " core.clearTimer(); core.hideDisplay(); document.getElementById('click-canvas').style.display = 'none';"
            f" core.{_BEGUN} = true;"
        )

    def ended_script(self) -> str:
        """See `Site.ended_script`: the raw reward does not shrink with time.

        A page that was loaded again can begin an episode that nobody seeded; that one has no end here.
        """
        return f"({{done: !!core.{_BEGUN} && !!WOB_DONE_GLOBAL, reward: WOB_RAW_REWARD_GLOBAL}})"


@lru_cache(maxsize=4)
def _tasks(folder: Path) -> frozenset[str]:
    return frozenset(file.stem for file in (folder / "miniwob").glob("*.html"))


@lru_cache(maxsize=512)
def _file(folder: Path, name: str) -> bytes | None:
    """A file's content, or `None` if there is none inside the folder."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        return None
    return path.read_bytes()


def _type(path: str) -> str:
    found = mimetypes.guess_type(re.sub(r".*/", "", path))[0] or "application/octet-stream"
    return f"{found}; charset=utf-8" if found.startswith("text/") or found.endswith("javascript") else found
