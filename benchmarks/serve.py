"""How fast one server process scores: `/nemo_gym/verify`, `/verify`, `/verify/batch`, start-up and memory.

Run: `python benchmarks/serve.py [--payloads FOLDER] [--seconds S] [--only NAME]`. The domain's world does nothing, so
that what is measured is the server and the tool-call comparison. `/nemo_gym/verify` gets the bodies of `--payloads`
(NeMo Gym's format, `single_step_tool_use*.json`) and stands beside plain FastAPI doing the same in the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from serve_bare import running as bare
from serve_load import Load, rss_mb, run_apart, show

from pivotgym.core.messages import Action, Message, Tool, ToolCall
from pivotgym.core.trajectory import Effects, Origin, Pivot
from pivotgym.envs.base.contract import Domain, World
from pivotgym.servers.serve import BackgroundServer
from pivotgym.verifiers.tool_calls import ToolCallComparator

PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "unit": {"type": "string", "default": "C"}},
    "required": ["city", "days"],
}


class Nothing(World):
    """A world without a state."""

    def start(self, origin: Origin, seed: int) -> None:
        """Nothing to build."""

    def run(self, action: Action) -> Effects:
        """Show the arguments."""
        return Effects(observations=[call.arguments_text for call in action.tool_calls], state="0", before="0")

    def fork(self) -> Nothing:
        """Another one."""
        return Nothing()

    def digest(self) -> str:
        """Always the same."""
        return "0"


class Plain(Domain):
    """The domain that is served."""

    name = "plain"
    inline = True
    comparator = ToolCallComparator()

    def world(self) -> Nothing:
        """A new world."""
        return Nothing()


def domain() -> Plain:
    return Plain()


def pivot(padding: int = 0, turn: int = 0) -> Pivot:
    return Pivot(
        id=f"plain/a:{turn}",
        domain="plain",
        messages=[Message(role="user", content="The weather in Rome for two days, please." + " pad" * (padding // 4))],
        reference=action(),
        tools=[Tool(name="forecast", parameters=PARAMETERS)],
        origin=Origin(kind="nothing"),
    )


def action(days: float = 2, extra: int = 0) -> Action:
    """A call; `extra` spells an equal one in another way."""
    arguments = {"city": "Rome", "days": days + 0.0 if extra % 2 else days, **({"unit": "C"} if extra % 4 < 2 else {})}
    return Action(tool_calls=(ToolCall(name="forecast", arguments=arguments),))


def verify_body(**pivot_field: Any) -> str:
    return json.dumps({**pivot_field, "action": action().to_json()})


PAYLOADS = ("single_step_tool_use_lean", "single_step_tool_use", "single_step_tool_use_200k")


def measure(name: str, server: tuple[str, int], path: str, body: str, seconds: float, each: int = 1) -> None:
    """Load a route and print one line."""
    url, pid = server
    load = Load(url, path, [body], connections=64 if each == 1 else 4, seconds=seconds)
    show(name, run_apart(load, pid), "requests" if each == 1 else "actions", each)


def nemo_gym(server: tuple[str, int], payloads: Path, seconds: float) -> None:
    """Their bodies, beside the floor."""
    with bare() as floor:
        for path in [payloads / f"{name}.json" for name in PAYLOADS]:
            body = path.read_text()
            size = f"{len(body) / 1e3:.1f} KB"
            measure(f"/nemo_gym/verify, {size}", server, "/nemo_gym/verify", body, seconds)
            measure(f"  plain FastAPI, {size}", floor, "/verify", body, seconds)
        print(f"  plain FastAPI: {rss_mb(floor[1]):.0f} MB resident after the load")


def native(server: tuple[str, int], seconds: float) -> None:
    """`/verify`, by id and with the whole pivot."""
    measure("/verify, pivot by id", server, "/verify", verify_body(pivot_id="plain/a:0"), seconds)
    for padding in (0, 24_000, 217_000):
        body = verify_body(pivot=pivot(padding).to_json())
        measure(f"/verify, whole pivot, {len(body) / 1e3:.1f} KB", server, "/verify", body, seconds)
    other = json.dumps({"pivot_id": "plain/a:0", "action": action(3).to_json()})
    measure("/verify, executed", server, "/verify", other, seconds)


BATCHES = {
    "equal to the expert's": [action()] * 16,
    "equal, in four spellings": [action(extra=n) for n in range(16)],
    "one other, executed": [action(3)] * 16,
    "all others, executed": [action(3 + n) for n in range(16)],
}


def batch_body(actions: list[Action]) -> str:
    """16 pivots with the same 16 actions each."""
    sent = [one.to_json() for one in actions]
    return json.dumps({"items": [{"pivot_id": f"plain/a:{turn}", "actions": sent} for turn in range(16)]})


def batch(server: tuple[str, int], seconds: float) -> None:
    """`/verify/batch`: 16 pivots with 16 actions each."""
    for name, actions in BATCHES.items():
        measure(f"/verify/batch of 256, {name}", server, "/verify/batch", batch_body(actions), seconds, each=256)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--payloads", type=Path, default=Path("../shared/data/payloads"))
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--only", choices=("nemo_gym", "native", "batch"))
    given = parser.parse_args()
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    begun = time.perf_counter()
    with BackgroundServer("serve:domain", pivots=[pivot(turn=turn) for turn in range(16)], process=True) as running:
        print(f"healthy after {time.perf_counter() - begun:.2f} s, {rss_mb(running.pid):.0f} MB resident")
        server = (running.url, running.pid)
        if given.only in (None, "nemo_gym") and given.payloads.is_dir():
            nemo_gym(server, given.payloads, given.seconds)
        if given.only in (None, "native"):
            native(server, given.seconds)
        if given.only in (None, "batch"):
            batch(server, given.seconds)
        print(f"{rss_mb(running.pid):.0f} MB resident after the load")


if __name__ == "__main__":
    main()
