import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.core.errors import DigestMismatch, InputError
from pivotgym.trainer.openrlhf.rows import Row, UntilLastStep, make_rows, order, write_rows
from pivotgym.trainer.settings import GrpoSettings
from pivotgym.trainer.training import Grpo

IDS = [f"run-{number}:0" for number in range(5)]


def rows(steps=3, seed=0, ids=IDS):
    return make_rows(ids, "pivot", steps=steps, per_step=2, seed=seed)


@given(st.integers(1, 9), st.integers(1, 5), st.integers(1, 4), st.integers(0, 3))
def test_order_is_that_of_the_embedded_engine(count, steps, per_step, seed):
    settings = GrpoSettings(steps=steps, pivots_per_step=per_step, seed=seed)
    embedded = SimpleNamespace(settings=settings, pivots=list(range(count)), _since=0)

    expected = [pivot for step in range(steps) for pivot in Grpo.batch(embedded, step)]

    assert list(order(count, steps=steps, per_step=per_step, seed=seed)) == expected


def test_a_row_carries_an_id_and_no_context(tmp_path):
    write_rows(tmp_path / "rows.jsonl", rows())

    first = json.loads((tmp_path / "rows.jsonl").read_text().splitlines()[0])
    assert Row.read(first["label"]) == rows()[0]
    assert set(first) == {"input", "label"}
    assert len(json.dumps(first)) < 150


def test_a_longer_run_begins_as_the_shorter_one(tmp_path):
    write_rows(tmp_path / "rows.jsonl", rows(steps=3))
    write_rows(tmp_path / "rows.jsonl", rows(steps=5))

    assert len((tmp_path / "rows.jsonl").read_text().splitlines()) == 10


@pytest.mark.parametrize("other", [{"seed": 1}, {"ids": IDS[::-1]}])
def test_another_run_in_the_same_folder_is_refused(tmp_path, other):
    write_rows(tmp_path / "rows.jsonl", rows())

    with pytest.raises(DigestMismatch, match=r"trains on other states, or in another order"):
        write_rows(tmp_path / "rows.jsonl", rows(**other))


def test_no_state_is_refused():
    with pytest.raises(InputError, match="pivots: expected at least one, got none"):
        rows(ids=[])


@given(st.text(max_size=40))
def test_a_label_of_someone_else_is_named(text):
    with pytest.raises(InputError, match="label: expected a row made by pivotgym"):
        Row.read(text)


@pytest.fixture
def draw():
    """Five steps' samples, as OpenRLHF's sampler gives them; the last says that the rows have ended."""
    left = iter(range(1, 6))

    def drawn(**_):
        step = next(left)
        return [step], None, 2, step == 5

    return drawn


def steps_of(draws):
    """The loop of OpenRLHF's trainer."""
    while True:
        samples, *_, ended = draws()
        if samples:
            draws.finished += 1
            yield draws.finished
        if ended:
            return


@pytest.mark.parametrize(("last", "steps"), [(3, [1, 2, 3]), (7, [1, 2, 3, 4, 5]), (None, [1, 2, 3, 4, 5])])
def test_a_run_ends_with_its_last_step_or_its_rows(draw, last, steps):
    assert list(steps_of(UntilLastStep(draw, last))) == steps


def test_a_finished_run_draws_nothing(draw):
    draws = UntilLastStep(draw, 3)
    draws.finished = 3

    assert list(steps_of(draws)) == []
