"""Any calls in any order: forks are independent, reads change nothing, failures change nothing, runs repeat."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.envs.tool_use.tau.database import State, load
from pivotgym.envs.tool_use.tau.toolkit import DATABASES
from pivotgym.envs.tool_use.tau.tools import ERROR

VALUES: dict[str, list[Any]] = {
    "user_id": ["ann_lee_1", "bob_ray_2", "x"],
    "reservation_id": ["AAA111", "HATHAT"],
    "order_id": ["#W1", "#W2", "#W3"],
    "payment_id": ["gift_card_1", "credit_card_1", "certificate_1"],
    "payment_method_id": ["gift_card_2", "credit_card_2"],
    "cabin": ["economy", "business"],
    "flight_type": ["one_way"],
    "insurance": ["yes", "no"],
    "origin": ["JFK", "ORD"],
    "destination": ["ORD", "SEA"],
    "date": ["2024-05-20", "2024-05-21"],
    "flight_number": ["HAT001", "HAT002"],
    "amount": [60, 100, 120],
    "item_ids": [["101"], ["101", "201"]],
    "new_item_ids": [["102"], ["102", "101"]],
    "reason": ["no longer needed"],
    "expression": ["1+1", "1/0"],
}


def values(schema: dict[str, Any], name: str) -> st.SearchStrategy:
    if name in VALUES:
        return st.sampled_from(VALUES[name])
    if schema["type"] == "array":
        return st.lists(arguments(schema["items"]), min_size=1, max_size=2)
    return st.integers(0, 2) if schema["type"] == "integer" else st.sampled_from(["a", "b"])


def arguments(schema: dict[str, Any]) -> st.SearchStrategy:
    return st.fixed_dictionaries({name: values(part, name) for name, part in schema["properties"].items()})


def calls(name: str) -> st.SearchStrategy:
    tools = DATABASES[name].tools.by_name
    one = st.sampled_from(sorted(tools)).flatmap(
        lambda tool: st.tuples(st.just(tool), arguments(tools[tool].tool.parameters))
    )
    return st.lists(one, max_size=6)


@pytest.mark.parametrize("name", sorted(DATABASES))
@given(data=st.data())
def test_any_calls(made_up, name: str, data: st.DataObject) -> None:
    tools = DATABASES[name].tools
    states = [State(load(made_up / name, DATABASES[name].tables))]
    digests, texts = [states[0].digest], []
    done = data.draw(calls(name))
    for tool, given_arguments in done:
        after, text = tools.call(states[-1], tool, given_arguments)
        if text.startswith(ERROR) or not tools.by_name[tool].writes:
            assert after.digest == digests[-1]
        states.append(after)
        digests.append(after.digest)
        texts.append(text)
    # Digests are kept once worked out: fresh states show whether a later call changed the records of an earlier state.
    assert [State(state._base, state._changed).digest for state in states] == digests
    again = states[0]
    for (tool, given_arguments), text in zip(done, texts, strict=True):
        again, repeated = tools.call(again, tool, given_arguments)
        assert repeated == text
    assert again.digest == digests[-1]
