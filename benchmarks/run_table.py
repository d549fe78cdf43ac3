"""The table of performance as text, and against the one that is kept. Owns neither measuring nor files (`run`)."""

from __future__ import annotations

from typing import Any

WORSE = 1.2
"""How much above the stored figure fails."""

_HEAD = """# Performance

One run of `benchmarks/run.py --store` on {cores} cores ({processor}), Python {python}, with a load of {load_before}
from other work before it began.

*CPU* is of the serving process alone, per operation; what sandboxes and Chromium use is in *time* only, which is by
the clock, as are *a second* and *p99*. *Ratio* is CPU beside plain FastAPI's in the same run: on a body of the same
size where the row has one of its own, else on a small one ({unit_ms:.3f} ms). Time and CPU are the least of some
rounds, except under load.

| | CPU ms | ratio | time ms | a second | p99 ms | resident MB |
|---|---|---|---|---|---|---|
"""

Row = dict[str, Any]


def markdown(table: dict[str, Any]) -> str:
    """The page."""
    about = table["machine"]
    head = _HEAD.format(**about, unit_ms=table["unit_ms"])
    return head + "".join(line(row) for row in table["rows"])


def line(row: Row) -> str:
    """One row of the page."""
    if "skipped" in row:
        return f"| {row['name']} | not measured: {' '.join(row['skipped'].split())} | | | | | |\n"
    shown = (
        ("cpu_ms", ".4f"),
        ("ratio", ".2f"),
        ("wall_ms", ".2f"),
        ("per_s", ",.0f"),
        ("p99_ms", ".1f"),
        ("rss_mb", ".0f"),
    )
    cells = [format(row[key], form) if row.get(key) is not None else "" for key, form in shown]
    note = f" (ratio to {row['floor']})" if "floor" in row else ""
    return f"| {row['name']}{note} | {' | '.join(cells)} |\n"


def worse(stored: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """What is more than 20 % above the stored table, or missing from this one."""
    now = {row["name"]: row for row in found["rows"]}
    told = []
    for row in stored["rows"]:
        new = now.get(row["name"], {})
        for key in ("ratio", "rss_mb"):
            if key not in row or row["name"] == "plain FastAPI":
                continue
            if key not in new:
                told.append(f"{row['name']}: {key} was {row[key]:.2f}, and was not measured now")
            elif new[key] > WORSE * row[key]:
                told.append(f"{row['name']}: {key} was {row[key]:.2f}, is {new[key]:.2f}")
    return told
