"""How many turns of coding agents' runs can be restored: each run is replayed until an observation differs.

    python benchmarks/swe_restored.py RUNS.jsonl ... --git-mirrors FOLDER [--json FILE]

Prints, by run, turns restored of all turns, and counts the causes of refusals.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

from pivotgym.core.errors import InputError, MissingDependency, NotFound, PivotGymError, PivotRefused
from pivotgym.core.readers.chat import read_chat
from pivotgym.core.trajectory import Trajectory, steps_of
from pivotgym.envs.base import sources
from pivotgym.envs.swe import domain

_CAUSES = (
    ("a package the sandbox lacks", r"ModuleNotFoundError|ImportError|No module named|command not found"),
    ("the run ended by a limit", r"\[ended "),
)


def main() -> None:
    """Replay and count."""
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--git-mirrors", type=Path, required=True)
    parser.add_argument("--packages", nargs="*", default=["declared"], help="the origins' packages (default: declared)")
    parser.add_argument("--constraints", nargs="*", default=[], help="limits on their versions")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    sources.configure({"git_mirrors": given.git_mirrors})
    rows = [restored(run, given.packages, given.constraints) for path in given.runs for run in read_chat(path)]
    for row in rows:
        print(f"{row['restored']:4d} of {row['turns']:4d}  {row['id']}: {row['cause']}", flush=True)
    known = [row for row in rows if row["known"]]
    for name, some in (("all runs", rows), ("runs whose repository is here", known)):
        print(f"{name}: {sum(row['restored'] for row in some)} of {sum(row['turns'] for row in some)} turns")
    for cause, count in Counter(row["cause"] for row in rows).most_common():
        print(f"  {count} x {cause}")
    if given.json:
        given.json.write_text(json.dumps(rows, indent=2))


def restored(run: Trajectory, packages: list[str], constraints: list[str]) -> dict[str, Any]:
    """Turns of a run that can be restored with these packages, and why the next one cannot."""
    turns = len(run.turns())
    row: dict[str, Any] = {"id": run.id, "turns": turns, "restored": 0, "known": True, "cause": "all turns"}
    fields = {"packages": packages, "constraints": constraints} if packages else {}
    world = domain().world()
    try:
        world.start(run.origin.model_copy(update=fields), 0)
        row["restored"] = 1
        for number, step in enumerate(islice(steps_of(run.messages), turns - 1)):
            world.replay(step, number)
            row["restored"] = number + 2
    except PivotRefused as refusal:
        row |= {"cause": _cause(refusal), "details": refusal.details, "message": refusal.message}
    except (NotFound, MissingDependency, InputError) as error:
        row |= {"known": False, "cause": re.sub(r"\S+/\S+|\b[0-9a-f]{7,}\b", "...", error.message)[:120]}
    except PivotGymError as error:
        row |= {"cause": error.code, "message": error.message}
    finally:
        world.close()
    return row


def _cause(refusal: PivotRefused) -> str:
    replayed, recorded = (str((refusal.details or {}).get(name, "")) for name in ("replayed", "recorded"))
    for name, pattern in _CAUSES:
        if re.search(pattern, replayed) and not re.search(pattern, recorded):
            return name
    return "an observation differs otherwise"


if __name__ == "__main__":
    main()
