"""OpenEnv's client at one of our servers: a reset to a pivot, two actions there, each with its verdict.

Run: pip install openenv-core
     PIVOTGYM_URL=http://127.0.0.1:8000 python examples/openenv_client.py almanac/larger-0:0

Where the server has a token, it is the password of the address: http://openenv:TOKEN@127.0.0.1:8000.
"""

from __future__ import annotations

import os
import sys

from openenv.core.generic_client import GenericEnvClient

SAME = '<tool_call>{"name": "search", "arguments": {"query": ["Barhythe: inhabitants?"]}}</tool_call>'
OTHER = '<tool_call>{"name": "search", "arguments": {"query": ["a lighthouse"]}}</tool_call>'


def main(pivot_id: str) -> None:
    """Print what the state shows, and the reward of each action there.

    Args:
        pivot_id: A pivot that the server knows.

    Raises:
        RuntimeError: The server refused, or failed: never a reward.
    """
    with GenericEnvClient(os.environ["PIVOTGYM_URL"] + "/openenv").sync() as env:
        for text in (SAME, OTHER):
            begun = env.reset(injected_state={"pivot_id": pivot_id})
            done = env.step({"text": text, "format": "hermes"})
            verdict = done.observation["info"]["verdict"]
            print(f"{begun.observation['text'][-60:]!r} -> {done.reward:g} {verdict['outcome']}")


if __name__ == "__main__":
    main(sys.argv[1])
