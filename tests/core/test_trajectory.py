import pytest
from pydantic import ValidationError

from pivotgym.core import Action, Message, Origin, Pivot, Profile, Sampling, Step, ToolCall, Trajectory, Verdict
from pivotgym.core.errors import DigestMismatch, NotFound

CALL = ToolCall(name="ls", id="c1")
MESSAGES = [
    Message(role="user", content="list"),
    Message(role="assistant", tool_calls=[CALL]),
    Message(role="tool", tool_call_id="c1", content="a b"),
    Message(role="assistant", content="Done."),
]


@pytest.fixture
def trajectory():
    return Trajectory(id="t", domain="tool_use", messages=MESSAGES)


@pytest.fixture
def pivot(trajectory):
    messages, reference = trajectory.at(1)
    return Pivot(id="t:1", domain="tool_use", messages=messages, reference=reference)


def test_turns_count_assistant_messages(trajectory):
    assert trajectory.turns() == [1, 3]


def test_state_is_everything_before_the_turn(trajectory):
    state, action = trajectory.at(1)

    assert state == MESSAGES[:3]
    assert action == Action(content="Done.")


@pytest.mark.parametrize("turn", [-1, 2])
def test_turn_outside_the_trajectory_is_named(trajectory, turn):
    with pytest.raises(NotFound, match=f"turn: expected 0 to 1 for trajectory 't', got {turn}"):
        trajectory.at(turn)


def test_pivot_replays_the_assistant_messages_with_what_was_observed(pivot):
    assert pivot.steps() == [Step(action=Action(tool_calls=(CALL,)), observations=("a b",))]


def test_pivot_id_names_trajectory_and_turn(pivot):
    assert (pivot.trajectory_id, pivot.turn) == ("t", 1)


def test_pivot_survives_json(pivot):
    again = Pivot.model_validate(pivot.to_json())

    assert again.digest == pivot.digest


@pytest.mark.parametrize(
    "change",
    [
        {"reference": Action(content="Bye.")},
        {"origin": Origin(kind="tau")},
        {"prefix": []},
        {"accepted": [1]},
        {"messages": MESSAGES[:1]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_digest_covers(pivot, change):
    assert pivot.model_copy(update=change).digest != pivot.digest


def test_digest_leaves_out_the_profile(pivot):
    assert pivot.with_profile(profile(pivot.digest)).digest == pivot.digest


def test_profile_of_another_pivot_is_refused(pivot):
    with pytest.raises(DigestMismatch, match="made for digest 000"):
        pivot.with_profile(profile("0" * 64))


def test_variance_is_of_the_population_and_leaves_errors_out():
    made = profile("d", rewards=(1.0, 0.0, None, 0.0))

    assert made.k == 3
    assert made.mean == pytest.approx(1 / 3)
    assert made.variance == pytest.approx(2 / 9)


def test_profile_survives_json():
    made = profile("d", rewards=(1.0, None))

    assert Profile.model_validate(made.model_dump(mode="json")) == made


def profile(digest, rewards=(1.0, 0.0)):
    return Profile(pivot_digest=digest, rewards=rewards, policy="p", format="smollm/1", sampling=Sampling())


@pytest.mark.parametrize("reward", [-0.1, 1.1, float("nan"), float("inf")])
def test_reward_outside_the_unit_interval_is_refused(reward):
    with pytest.raises(ValidationError):
        Verdict(reward=reward, outcome="equivalent", method="m", executed=True)


def test_full_reward_needs_equivalence():
    with pytest.raises(ValidationError, match="goes with outcome 'equivalent'"):
        Verdict(reward=1.0, outcome="different", method="m", executed=True)


def test_unknown_field_of_a_record_is_refused():
    with pytest.raises(ValidationError, match="surprise"):
        Trajectory.model_validate({"id": "t", "domain": "d", "messages": [], "surprise": 1})
