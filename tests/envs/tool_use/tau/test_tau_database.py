import copy
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.core.errors import InputError, MissingDependency
from pivotgym.core.trajectory import Origin
from pivotgym.envs.base import sources
from pivotgym.envs.tool_use.tau.database import Base, Draft, State, load
from pivotgym.envs.tool_use.tau.toolkit import TauToolkit

BASE = Base({"things": {"a": {"n": 1}, "b": {"n": 2}}}, "f")
CHANGES = st.dictionaries(
    st.tuples(st.just("things"), st.sampled_from("abcd")), st.fixed_dictionaries({"n": st.integers(0, 3)})
)


def content(state: State) -> dict:
    return dict(zip(state.keys("things"), state.rows("things"), strict=True))


@given(st.lists(CHANGES, max_size=4), st.lists(CHANGES, max_size=4))
def test_equal_digests_are_equal_contents(one: list, other: list) -> None:
    first, second = State(BASE), State(BASE)
    for changes in one:
        first = first.after(changes)
    for changes in other:
        second = second.after(changes)
    assert (first.digest == second.digest) == (content(first) == content(second))


def test_a_record_that_was_changed_back_counts_as_not_changed() -> None:
    there = State(BASE).after({("things", "a"): {"n": 5}})
    assert there.digest != State(BASE).digest
    assert there.after({("things", "a"): {"n": 1}}).digest == State(BASE).digest


def test_a_draft_changes_copies() -> None:
    draft = Draft(State(BASE))
    draft.edit("things", "a")["n"] = 9
    assert draft.find("things", "a") == {"n": 9}
    assert BASE.tables["things"]["a"] == {"n": 1}


def test_a_fork_goes_its_own_way(airline) -> None:
    fork = airline.toolkit.fork()
    airline("cancel_reservation", reservation_id="AAA111")
    assert fork.digest() != airline.toolkit.digest()
    assert "status" not in json.loads(fork.call("get_reservation_details", {"reservation_id": "AAA111"}))


def test_what_a_call_was_given_may_change_afterwards(airline) -> None:
    passengers = [{"first_name": "Bo", "last_name": "Lee", "dob": "1990-01-01"}]
    arguments = {"reservation_id": "AAA111", "passengers": copy.deepcopy(passengers)}
    airline("update_reservation_passengers", **arguments)
    arguments["passengers"][0]["first_name"] = "Changed"
    assert airline("get_reservation_details", reservation_id="AAA111")["passengers"] == passengers


def test_a_database_is_read_once(made_up: Path) -> None:
    assert load(made_up / "airline", ("flights",)) is load(made_up / "airline", ("flights",))


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingDependency, match=r"expected a JSON table in users.json, got FileNotFoundError"):
        load(tmp_path, ("users",))


def test_a_table_maps_keys_to_records(tmp_path: Path) -> None:
    (tmp_path / "users.json").write_text("[]")
    with pytest.raises(MissingDependency, match=r"expected users.json to map keys to records"):
        load(tmp_path, ("users",))


@pytest.mark.parametrize("name", ["hotel", "../airline", "", None, ["airline"]])
def test_an_origin_names_one_of_two_databases(start: Callable[[str], TauToolkit], name: object) -> None:
    with pytest.raises(InputError, match=r"origin: expected a toolkit of \['airline', 'retail'\]"):
        start(name)  # type: ignore[arg-type]


def test_an_origin_has_no_other_field(start: Callable[[str], TauToolkit]) -> None:
    with pytest.raises(InputError, match=r"expected the fields \['toolkit'\], got \['path', 'toolkit'\]"):
        TauToolkit().start(Origin.model_validate({"kind": "tau", "toolkit": "airline", "path": "/"}), 0)


def test_without_its_source_an_origin_says_what_to_configure() -> None:
    sources.forget("tau")
    with pytest.raises(MissingDependency, match="PIVOTGYM_SOURCE_TAU=FOLDER"):
        TauToolkit().start(Origin.model_validate({"kind": "tau", "toolkit": "airline"}), 0)
