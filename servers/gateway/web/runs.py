"""Which runs there are below one folder, and which file of a run is which.

A run is a folder that holds a file of ours; its name is its path below the folder, `/` written as `~`. A run is looked
up among those found, never by joining its name to a path, and a link that leads out of the folder is not followed.

Owns: that. Does not own: what the files say (`lines`, `logs`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pivotgym.core.errors import NotFound
from pivotgym.core.samples import samples_file

RUNS = "PIVOTGYM_RUNS"
MOST_RUNS = 500
_DEPTH = 3
_PROFILES = ("profile.jsonl", "profiled.jsonl")
_CANDIDATES, _KEPT, _LOG = "candidates.jsonl", "pivots.jsonl", "log.jsonl"
_MARKS = frozenset({*_PROFILES, _CANDIDATES, _KEPT, _LOG, "eval.jsonl", "stages.jsonl", "config.yaml"})


@dataclass(frozen=True)
class Run:
    """A run's folder.

    Attributes:
        name: Its name in addresses.
        folder: Where it is.
        root: The folder of runs, out of which nothing is read.
    """

    name: str
    folder: Path
    root: Path

    def file(self, *names: str) -> Path | None:
        """The first of these files that there is."""
        return next((path for name in names if _is_file(path := self.folder / name, self.root)), None)

    @property
    def profiled(self) -> Path | None:
        """The profiled candidates."""
        return self.file(*_PROFILES)

    @property
    def pivots(self) -> Path | None:
        """What a list of the run's pivots shows: the profiled candidates, else the candidates, else the pivot set."""
        return self.file(*_PROFILES, _CANDIDATES, _KEPT)

    @property
    def kept(self) -> Path | None:
        """The pivot set."""
        return self.file(_KEPT)

    @property
    def samples(self) -> Path | None:
        """The sampled actions with their verdicts."""
        return self.file(samples_file(self.profiled).name) if self.profiled is not None else None

    @property
    def report(self) -> Path | None:
        """The report of the run, or of the seeds that it is one of."""
        above = self.folder.parent / "report.html"
        return self.file("report.html") or (above if self.folder != self.root and _is_file(above, self.root) else None)

    def logs(self) -> dict[str, Path]:
        """The training logs by stage: those of its folders, or its own."""
        found = {folder.name: folder / _LOG for folder in _folders(self.folder, self.root)}
        found = {name: path for name, path in found.items() if _is_file(path, self.root)}
        own = self.file(_LOG)
        return {"training": own, **found} if own is not None else found


class Runs:
    """The runs below a folder.

    Args:
        root: The folder, which need not exist yet; `None` for no runs.
    """

    def __init__(self, root: Path | None) -> None:
        self.root = root.resolve() if root is not None else None

    def all(self) -> list[Run]:
        """Every run, the one that changed last first."""
        if self.root is None:
            return []
        found = list(_runs(self.root, self.root, ()))
        return sorted(found, key=lambda run: (-changed(run), run.name))[:MOST_RUNS]

    def get(self, name: str) -> Run:
        """The run of that name.

        Raises:
            NotFound: If there is none; says which there are.
        """
        runs = {run.name: run for run in self.all()}
        if name not in runs:
            there = ", ".join(sorted(runs)[:20]) or "none"
            raise NotFound(f"run: no run {name[:100]!r}; there are: {there}", hint="/ui/runs lists the runs")
        return runs[name]


def changed(run: Run) -> float:
    """When the run's files changed last, seconds of the epoch."""
    times = [0.0]
    for path in (*(run.folder / name for name in _MARKS), *run.logs().values()):
        try:
            times.append(path.stat().st_mtime)
        except OSError:  # not there: it tells nothing of the run's age
            continue
    return max(times)


def _runs(folder: Path, root: Path, parts: tuple[str, ...]) -> Iterator[Run]:
    if any(_is_file(folder / mark, root) for mark in _MARKS):
        yield Run("~".join(parts) or folder.name or "runs", folder, root)
    elif len(parts) < _DEPTH:
        for child in _folders(folder, root):
            yield from _runs(child, root, (*parts, child.name))


def _folders(folder: Path, root: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    except OSError:  # not there yet, or not to be read: no runs
        return []
    found = [folder / name for name in names if name.isprintable()]
    return [path for path in found if path.resolve().is_relative_to(root)]


def _is_file(path: Path, root: Path) -> bool:
    try:
        return path.is_file() and path.resolve().is_relative_to(root)
    except OSError:
        return False
