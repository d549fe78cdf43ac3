"""Our rule for BFCL's accepted answers against BFCL's own checker, on gold answers and mutations of them."""

import copy
import sys
import types
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bfcl_pivots import cut

from pivotgym.core.messages import Action, ToolCall
from pivotgym.core.trajectory import Trajectory
from pivotgym.envs.base.runtime import Runtime
from pivotgym.envs.tool_use.bfcl import source
from pivotgym.envs.tool_use.bfcl.trajectories import SINGLE_TURN, load

MEANT = {
    ("int as float", False): "5.0 is 5 for a declared integer",
    ("drop", False): "leaving out what equals its default",
    ("default", False): "giving what equals the default",
    ("default", True): "a default of a type its own schema forbids",
    ("reverse", False): "their pairing of calls is greedy",
}
"""Where we mean to differ: (mutation, their verdict) -> why."""


@pytest.fixture
def their_checker(bfcl: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """BFCL's `ast_checker`, without the packages that its neighbours import."""
    monkeypatch.syspath_prepend(str(bfcl))
    settings = types.ModuleType("bfcl_eval.constants.model_config")
    settings.MODEL_CONFIG_MAPPING = {"m": types.SimpleNamespace(underscore_to_dot=False)}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, settings.__name__, settings)
    for language in ("java", "js"):
        name = f"bfcl_eval.eval_checker.ast_eval.type_convertor.{language}_type_converter"
        module = types.ModuleType(name)
        setattr(module, f"{language}_type_converter", None)
        monkeypatch.setitem(sys.modules, name, module)
    from bfcl_eval.constants.enums import Language
    from bfcl_eval.eval_checker.ast_eval.ast_checker import ast_checker

    yield lambda docs, calls, gold, category: ast_checker(docs, calls, gold, Language.PYTHON, category, "m")["valid"]
    for name in [name for name in sys.modules if name.split(".")[0] == "bfcl_eval"]:
        sys.modules.pop(name)


def values(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, bool):
        yield "not", not value
    elif isinstance(value, int):
        yield from (("+1", value + 1), ("int as float", float(value)), ("as text", str(value)))
    elif isinstance(value, float):
        yield from (("+1", value + 1), ("truncated", int(value)))
    elif isinstance(value, str):
        yield from (
            ("upper", value.upper()),
            ("hyphens", value.replace(" ", "-")),
            ("longer", value + "x"),
            ("empty", ""),
        )
    elif isinstance(value, list):
        yield from (("shorter", value[:-1]), ("backwards", value[::-1]))
    elif isinstance(value, dict):
        yield from (("a key less", dict(list(value.items())[1:])), ("a key more", {**value, "zz": 1}))


def mutations(calls: list[dict[str, Any]], trajectory: Trajectory) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    yield "gold", calls
    schemas = {tool.name: tool.parameters["properties"] for tool in trajectory.tools}
    for place, call in enumerate(calls):
        arguments = call["arguments"]

        def changed(place: int = place, **new: Any) -> list[dict[str, Any]]:
            other = copy.deepcopy(calls)
            other[place]["arguments"] |= new
            return other

        for key, value in arguments.items():
            without = copy.deepcopy(calls)
            del without[place]["arguments"][key]
            yield "drop", without
            yield from ((kind, changed(**{key: other})) for kind, other in values(value))
        for key, schema in schemas[call["name"]].items():
            if key not in arguments and "default" in schema:
                yield "default", changed(**{key: schema["default"]})
        yield "extra", changed(zzz=1)
    if len(calls) > 1:
        yield from (("reverse", calls[::-1]), ("one less", calls[:-1]))
    yield "one more", calls + calls[:1]


@pytest.mark.slow
@pytest.mark.parametrize("category", SINGLE_TURN)
def test_our_rule_agrees_with_bfcls_checker(category: str, their_checker: Any, runtime: Runtime) -> None:
    gold, questions = source.answers(category), source.questions(category)
    disagreements: Counter[tuple[str, bool]] = Counter()
    for trajectory in load((category,)):
        pivot, name = cut(trajectory, 0), trajectory.metadata["task"]
        calls = [{"name": call.name, "arguments": call.arguments} for call in pivot.reference.tool_calls]
        for kind, mutated in mutations(calls, trajectory):
            asked = [{call["name"]: call["arguments"]} for call in mutated]
            theirs = their_checker(questions[name]["function"], asked, gold[name], category)
            ours = runtime.verify(pivot, Action(tool_calls=tuple(ToolCall(**call) for call in mutated)))
            if theirs != (ours.reward == 1.0):
                disagreements[kind, theirs] += 1
    assert not set(disagreements) - set(MEANT), disagreements
