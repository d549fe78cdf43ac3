"""Pivots as rows of another trainer's data set: the state as a prompt, and the pivot's id.

Run: python examples/rows.py pivots.jsonl -o rows.jsonl [--format hermes]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from pivotgym.core.formats import get_format
from pivotgym.core.trajectory import Pivot


def row(pivot: Pivot, text_format: str = "hermes") -> dict[str, str]:
    """The row of a pivot; the prompt ends where the policy's answer begins."""
    return {"prompt": get_format(text_format).render(list(pivot.messages), list(pivot.tools)), "pivot_id": pivot.id}


def main() -> None:
    """Write a row for each pivot of a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pivots", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--format", default="hermes", help="text format of the prompt")
    options = parser.parse_args()
    with options.pivots.open(encoding="utf-8") as lines, options.out.open("w", encoding="utf-8") as out:
        for line in lines:
            out.write(json.dumps(row(Pivot.model_validate_json(line), options.format)) + "\n")


if __name__ == "__main__":
    main()
