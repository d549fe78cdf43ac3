"""Stands below `RayEngine` in the place of vLLM: an actor that gives recorded draws."""

import asyncio
import json
import os
from pathlib import Path


def recorded_sampler(draws, log, together=1):
    """A sampler's class. Made in a function, so that Ray carries it to its workers, which cannot import the tests.

    Args:
        draws: Prompt -> its draws, or an error's text; for an int, that limit is what the state is too long for.
        log: File that gets a line for each state that was asked for.
        together: Actors that must have been asked before any of them answers.
    """

    class Recorded:
        def __init__(self, model, arguments, top_p, max_new_tokens):
            assert Path(model).is_dir()

        async def __call__(self, batch):
            found = []
            for state in map(json.loads, map(str, batch["state"])):
                with open(log, "a") as file:
                    file.write(f"{os.getpid()} {state['index']}\n")
                while len({line.split()[0] for line in Path(log).read_text().splitlines()}) < together:
                    await asyncio.sleep(0.05)
                answer = draws[state["prompt"]]
                if isinstance(answer, str):
                    raise RuntimeError(answer)
                if isinstance(answer, int):
                    found.append({"index": state["index"], "too_long": [answer + 1, answer]})
                else:
                    found.append({"index": state["index"], "draws": answer})
            yield {"found": [json.dumps(one) for one in found]}

    return Recorded
