"""How many turns of coding agents' runs can be restored: each run is replayed until an observation differs.

    python benchmarks/swe_restored.py RUNS.jsonl ... --git-mirrors FOLDER [--json FILE]

Prints, by run and by repository, turns restored of all turns, and counts the causes of refusals; runs whose repository
is not here are counted apart. Each tree has the packages that it declares itself (PIVOTGYM_SWE_PACKAGES must allow to
fetch them), in versions of its time where later ones no longer go with it (`VERSIONS`); one whose run found no pytest
has none. Commands have 300 s, as this may be a slower machine than the one that was recorded.
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

VERSIONS = {
    "astropy": ["numpy<1.25", "pytest<8"],
    "flask": ["pytest<8", "werkzeug<3"],
    "pytest": ["pluggy<1", "py<2"],
    "sphinx": [
        "alabaster<0.7.14", "docutils<0.18", "jinja2<3.1", "pytest<8", "setuptools<70", "sphinxcontrib-applehelp<1.0.5",
        "sphinxcontrib-devhelp<1.0.3", "sphinxcontrib-htmlhelp<2.0.2", "sphinxcontrib-qthelp<1.0.4",
        "sphinxcontrib-serializinghtml<1.1.6",
    ],
    "sympy": ["mpmath<1.4"],
    "xarray": ["dask<2023", "numpy<1.24", "pandas<2", "pytest<8", "scipy<1.11", "setuptools<69"],
}  # fmt: skip
"""Limits on versions by the name of the repository."""
MORE = {"xarray": ["bottleneck", "cftime", "dask", "h5netcdf", "netcdf4", "pydap", "pytest", "scipy"]}
"""What runs used beyond what their repository requires."""
NO_PYTEST = re.compile(r"No module named '?pytest|pytest: command not found")
_CAUSES = (
    ("the run ended by a limit", r"\[ended "),
    ("the network, which sandboxes do not have", r"NameResolution|Max retries exceeded|Could not resolve host"),
    ("parts that must be compiled", r"You appear to be trying to import astropy|_compiler|broken installation"),
    ("a package the sandbox lacks", r"ModuleNotFoundError|No module named|command not found"),
    ("Python of another version", r"cannot import name '\w+' from 'collections'|required field \"lineno\""),
)


def main() -> None:
    """Replay and count."""
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--git-mirrors", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    sources.configure({"git_mirrors": given.git_mirrors})
    rows = []
    for run in (run for path in given.runs for run in read_chat(path)):
        rows.append(row := restored(run))
        print(f"{row['restored']:4d} of {row['turns']:4d}  {row['id']}: {row['cause']}", flush=True)
    known = [row for row in rows if row["known"]]
    show("all runs", rows)
    show("runs whose repository is here", known)
    for name in sorted({row["repository"] for row in known}):
        show(f"  {name}", [row for row in known if row["repository"] == name])
    for cause, count in Counter(row["cause"] for row in rows).most_common():
        print(f"  {count} x {cause}")
    if given.json:
        given.json.write_text(json.dumps(rows, indent=2))


def show(name: str, rows: list[dict[str, Any]]) -> None:
    """Print the turns restored of some runs."""
    done, turns = (sum(row[key] for row in rows) for key in ("restored", "turns"))
    print(f"{name}: {done} of {turns} turns, {len(rows)} runs")


def fields_of(run: Trajectory) -> dict[str, Any]:
    """What a run's origin needs beyond what its file tells."""
    name = str(run.origin.get("instance_id", "")).partition("__")[2].rpartition("-")[0]
    told = "\n".join(message.text for message in run.messages if message.role == "tool")
    return {
        "packages": ["declared", *MORE.get(name, ())],
        "constraints": VERSIONS.get(name, []),
        "pytest": NO_PYTEST.search(told) is None,
        "time_limit_s": 300.0,
    }


def restored(run: Trajectory) -> dict[str, Any]:
    """Turns of a run that can be restored, and why the next one cannot."""
    turns = len(run.turns())
    row: dict[str, Any] = {"id": run.id, "turns": turns, "restored": 0, "known": True, "cause": "all turns"}
    row["repository"] = str(run.origin.get("instance_id", "")).rpartition("-")[0].replace("__", "/")
    world = domain().world()
    try:
        world.start(run.origin.model_copy(update=fields_of(run)), 0)
        row["restored"] = 1
        for number, step in enumerate(islice(steps_of(run.messages), turns - 1)):
            world.replay(step, number)
            row["restored"] = number + 2
    except PivotRefused as refusal:
        row |= {"cause": _cause(refusal), "details": refusal.details, "message": refusal.message}
    except (NotFound, MissingDependency, InputError) as error:
        row |= {
            "known": error.message.startswith("packages:"),
            "cause": re.sub(r"\S+/\S+|\b[0-9a-f]{7,}\b", "...", error.message)[:120],
        }
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
