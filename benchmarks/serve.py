"""How fast one server process scores: `/verify` with small and large bodies, `/verify/batch`, start-up and memory.

Run: `python benchmarks/serve.py`. The domain's world does nothing, so that what is measured is the server and the
tool-call comparison.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

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
        return Effects(observations=[call.arguments_text for call in action.tool_calls])

    def fork(self) -> Nothing:
        """Another one."""
        return Nothing()

    def digest(self) -> str:
        """Always the same."""
        return ""


class Plain(Domain):
    """The domain that is served."""

    name = "plain"
    comparator = ToolCallComparator()

    def world(self) -> Nothing:
        """A new world."""
        return Nothing()


def domain() -> Plain:
    return Plain()


def pivot(padding: int = 0) -> Pivot:
    return Pivot(
        id="plain/a:0",
        domain="plain",
        messages=[Message(role="user", content="The weather in Rome for two days, please." + " pad" * (padding // 4))],
        reference=action(),
        tools=[Tool(name="forecast", parameters=PARAMETERS)],
        origin=Origin(kind="nothing"),
    )


def action(days: int = 2) -> Action:
    return Action(tool_calls=(ToolCall(name="forecast", arguments={"city": "Rome", "days": days, "unit": "C"}),))


def verify_body(**pivot_field: Any) -> str:
    return json.dumps({**pivot_field, "action": action().to_json()})


def main() -> None:
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 4.0
    begun = time.perf_counter()
    with BackgroundServer("serve:domain", pivots=[pivot()], process=True) as server:
        print(f"healthy after {time.perf_counter() - begun:.2f} s, {rss_mb(server.pid):.0f} MB resident")

        def measure(name: str, path: str, *bodies: str, each: int = 1) -> None:
            unit = "requests" if each == 1 else "actions"
            load = Load(server.url, path, list(bodies), connections=64 if each == 1 else 4, seconds=seconds)
            show(name, run_apart(load, server.pid), unit, each)

        measure("/verify, pivot by id", "/verify", verify_body(pivot_id="plain/a:0"))
        small = verify_body(pivot=pivot().to_json())
        measure(f"/verify, whole pivot, {len(small) / 1e3:.1f} KB", "/verify", small)
        large = verify_body(pivot=pivot(24_000).to_json())
        measure(f"/verify, whole pivot, {len(large) / 1e3:.1f} KB", "/verify", large)
        huge = verify_body(pivot=pivot(217_000).to_json())
        measure(f"/verify, whole pivot, {len(huge) / 1e3:.0f} KB", "/verify", huge)
        other = json.dumps({"pivot_id": "plain/a:0", "action": action(3).to_json()})
        measure("/verify, executed", "/verify", other)
        for name, days in (("accepted by the fast path", (2,)), ("executed", (3,))):
            items = [{"pivot_id": "plain/a:0", "actions": [action(days[0]).to_json()] * 16} for _ in range(16)]
            measure(f"/verify/batch of 256, {name}", "/verify/batch", json.dumps({"items": items}), each=256)
        print(f"{rss_mb(server.pid):.0f} MB resident after the load")


if __name__ == "__main__":
    main()
