from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer, said

from pivotgym.core import Action, Message, Pivot
from pivotgym.core.jsonl import read_records, write_records


def slowly(body: dict[str, Any], number: int) -> dict[str, Any]:
    time.sleep(0.05)
    return said(*["Yes."] * body["n"])


@pytest.mark.slow
def test_killed_profile_goes_on_and_samples_nothing_twice_that_it_wrote(tmp_path: Path) -> None:
    questions = [f"question {number}" for number in range(60)]
    pivots = [
        Pivot(
            id=f"{text}:0",
            domain="tool_use",
            messages=[Message(role="user", content=text)],
            reference=Action(content="Yes."),
        )
        for text in questions
    ]
    write_records(tmp_path / "candidates.jsonl", pivots)
    out = tmp_path / "profiled.jsonl"
    with OpenAIServer(slowly) as first, OpenAIServer(slowly) as second:
        command = [sys.executable, "-c", "from pivotgym.cli.main import console; console()", "profile"]
        command += [str(tmp_path / "candidates.jsonl"), "--out", str(out)]
        command += ["--model", "m", "--set", "engine.concurrency=4", "--set", "profile.k=2", "--base-url"]
        killed = subprocess.Popen([*command, first.url])
        while not (out.exists() and out.read_bytes().count(b"\n") >= 5):
            assert killed.poll() is None
            time.sleep(0.01)
        killed.kill()
        killed.wait()
        written = {pivot.messages[0].text for pivot in read_records(out, Pivot, on_error="skip")}
        subprocess.run([*command, second.url], check=True)

    asked = Counter(body["messages"][0]["content"] for body in second.bodies)
    assert asked == Counter(text for text in questions if text not in written)
    assert sorted(pivot.messages[0].text for pivot in read_records(out, Pivot)) == sorted(questions)
