"""NeMo Gym's verify body: a row of NVIDIA's shape and the policy's response, scored by a server.

Run: pivotgym convert pivots.jsonl --to nemo_gym -o rows.jsonl
     python examples/nemo_gym_verify.py rows.jsonl

The response of each row is here the expert's own action; a trainer puts the policy's in its place.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import httpx


def verify(row: dict[str, Any], output: list[dict[str, Any]]) -> dict[str, Any]:
    """The answer of the server: the row with a `reward` and a `verdict`.

    Args:
        row: `responses_create_params` and `expected_action`, with whatever else a row has.
        output: Items of a response of OpenAI's Responses API.

    Raises:
        httpx.HTTPStatusError: The server refuses the row, or failed.
    """
    token = os.environ.get("PIVOTGYM_TOKEN")
    answer = httpx.post(
        os.environ["PIVOTGYM_URL"] + "/nemo_gym/verify",
        json={**row, "response": {"id": "r", "object": "response", "status": "completed", "output": output}},
        headers={"authorization": f"Bearer {token}"} if token else {},
        timeout=60,
    )
    answer.raise_for_status()
    return dict(answer.json())


if __name__ == "__main__":
    for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines():
        given = json.loads(line)
        print(verify(given, [given["expected_action"]])["reward"])
