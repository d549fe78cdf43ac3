"""The parts that runs are made of: drift, recipes, metering, episodes."""

import math

import pytest
from even_pivots import make_pivots
from hypothesis import given
from hypothesis import strategies as st
from tiny_policies import make_text_policy
from toy_study import ToyDomain

from pivotgym.core.errors import InputError
from pivotgym.core.formats import get_format
from pivotgym.core.messages import Action
from pivotgym.core.samples import PivotSamples, Sample
from pivotgym.core.trajectory import Profile, Sampling, Verdict
from pivotgym.study.config import EpisodeSettings
from pivotgym.study.drift import drift, rank_correlation, text_nll, unrelated
from pivotgym.study.episodes import Episode, train_episodes, update
from pivotgym.study.metering import Kept, MeteredScorer
from pivotgym.study.recipes.prefix_rft import PrefixEngine, prefix_share
from pivotgym.study.recipes.rif_rft import solvable
from pivotgym.study.recipes.s3ft import own_targets
from pivotgym.study.results import Meter
from pivotgym.trainer.engine import LocalEngine, Query
from pivotgym.trainer.learn import OptimConfig, PolicyOptimizer
from pivotgym.trainer.policy import Span

FORMAT = get_format("smollm")


def verdict(reward):
    outcome = "equivalent" if reward else "different"
    return Verdict(reward=reward, outcome=outcome, method="m", executed=True)


def profiled(pivot, *rewards):
    profile = Profile(pivot_digest=pivot.digest, rewards=rewards, policy="p", format="f", sampling=Sampling())
    return pivot.with_profile(profile)


@pytest.fixture(scope="module")
def policy():
    return make_text_policy()


def test_another_policy_is_at_a_distance(policy):
    prompts = unrelated(make_pivots(2), LocalEngine(policy, FORMAT), actions=6, max_new_tokens=6)

    here, there = drift(policy, prompts), drift(make_text_policy(seed=1), prompts)

    assert max(here["kl"].values()) == 0
    assert min(there["kl"].values()) > 0.1
    assert max(there["rank_correlation"].values()) < min(here["rank_correlation"].values()) == 1


def test_plain_text_is_as_likely_as_its_tokens(policy):
    ids = policy.tokenizer("a river", add_special_tokens=False)["input_ids"]

    (found,) = text_nll(policy, ["a river"]).values()

    assert found == pytest.approx(-math.fsum(policy.score(ids[:1], [ids[1:]])[0]) / (len(ids) - 1))


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=9, unique=True))
def test_an_order_correlates_with_itself_and_against_its_reverse(values):
    assert rank_correlation(values, [2 * value + 1 for value in values]) == pytest.approx(1) or len(
        {2 * value + 1 for value in values}
    ) < len(values)
    assert rank_correlation(values, [-value for value in values]) == pytest.approx(-1)


def test_rank_correlation_with_ties_is_spearmans():
    # Ranks 1 2.5 2.5 4 against 1 2 3 4.
    assert rank_correlation([1, 2, 2, 3], [1, 2, 3, 4]) == pytest.approx(4.5 / math.sqrt(4.5 * 5))


def test_rank_correlation_of_unequal_lists_is_refused():
    with pytest.raises(InputError, match="expected two or more values each, got 1 and 2"):
        rank_correlation([1], [1, 2])


def test_rif_rft_keeps_what_was_ever_solved():
    never, once, always = make_pivots(3)

    kept = solvable([profiled(never, 0.0, 0.0), profiled(once, 0.0, 1.0), profiled(always, 1.0, 1.0)])

    assert [pivot.id for pivot in kept] == [once.id, always.id]


def test_s3ft_trains_on_the_first_accepted_action_and_else_on_the_experts():
    solved, failed = make_pivots(2)
    rows = [(Action(content="no"), 0.0), (Action(content="yes"), 1.0), (Action(content="also"), 1.0)]
    samples = [
        PivotSamples(
            pivot_id=solved.id,
            pivot_digest=solved.digest,
            samples=[Sample(action=action, verdict=verdict(reward)) for action, reward in rows],
        )
    ]

    targets, own = own_targets([solved, failed], samples)

    assert [pivot.reference.content for pivot in targets] == ["yes", failed.reference.content]
    assert own == 1


def test_s3ft_leaves_cut_actions_out():
    (pivot,) = make_pivots(1)
    cut = Sample(action=Action(content="cu", truncated=True), verdict=verdict(1.0))

    targets, own = own_targets([pivot], [PivotSamples(pivot_id=pivot.id, pivot_digest=pivot.digest, samples=[cut])])

    assert (targets[0].reference, own) == (pivot.reference, 0)


def test_prefixes_shrink_along_a_run():
    shares = [prefix_share(step, 10) for step in range(10)]

    assert shares == sorted(shares, reverse=True)
    assert (shares[0], shares[-1]) == (pytest.approx(0.95), pytest.approx(0.05))


def test_guided_actions_begin_as_the_experts_does_and_count_what_was_sampled(policy):
    pivots = [pivot.model_copy(update={"reference": Action(content="abcdefgh")}) for pivot in make_pivots(2)]
    engine = PrefixEngine(policy, FORMAT, Meter())
    engine.follow(pivots, share=0.5, steps=1)
    expert = engine.action_ids(pivots[0].reference)
    given = int(0.95 * len(expert))

    rows = engine.sample(
        [Query(f"{place}:{pivot.id}", pivot.messages, [], (1.0,) * 4) for place, pivot in enumerate(pivots)],
        Sampling(max_new_tokens=5),
    )

    for row in rows:
        assert [list(item.token_ids[:given]) == expert[:given] for item in row] == [True, True, False, False]
        assert all(item.text.startswith("abcdefgh"[: given - 1]) for item in row[:2])
    assert engine.meter.cost.turns == 8
    assert engine.meter.cost.tokens == sum(len(item.token_ids) for row in rows for item in row) - 4 * given


@given(st.integers(0, 40), st.integers(1, 10))
def test_a_draw_keeps_at_most_its_size_and_counts_all(shown, size):
    kept = Kept(size)
    for number in range(shown):
        kept.show(number)

    assert kept.seen == shown
    assert len(set(kept.items)) == len(kept.items) == min(shown, size)


def test_a_scorer_counts_verdicts_and_audits_what_it_paid():
    class Lax:
        def score(self, groups):
            return [[verdict(1.0) for _ in actions] for _, actions in groups]

    class Exact:
        def score(self, groups):
            return [[verdict(float(action.content == "b")) for action in actions] for _, actions in groups]

    meter = Meter()
    scorer = MeteredScorer(Lax(), meter, kept=10)
    scorer.score([(make_pivots(1)[0], [Action(content=text) for text in "abc"])])

    audit = scorer.audit(Exact())

    assert meter.cost.verdicts == 3
    assert (audit.accepted, audit.checked_accepted, audit.false_accepts, audit.rejected) == (3, 3, 2, 0)


def test_episodes_reinforce_what_paid(policy):
    policy = make_text_policy()
    engine = LocalEngine(policy, FORMAT)
    state, good, bad = [65, 66, 67], [70, 71], [80, 81]
    group = [Episode("t", [Span([*state, *good], 3)], 1.0), Episode("t", [Span([*state, *bad], 3)], 0.0)]
    before = [sum(row) for row in policy.score(state, [good, bad])]

    metrics = update(engine, PolicyOptimizer(policy, OptimConfig(lr=1e-3)), [group], 1.0)

    after = [sum(row) for row in policy.score(state, [good, bad])]
    assert after[0] > before[0]
    assert after[1] < before[1]
    assert (metrics["reward_mean"], metrics["zero_variance_share"]) == (0.5, 0.0)


def test_masked_episodes_and_groups_without_signal_change_nothing():
    policy = make_text_policy()
    engine = LocalEngine(policy, FORMAT)
    before = engine.policy_id
    span = Span([65, 66, 70], 2)
    equal = [Episode("t", [span], 1.0), Episode("t", [span], 1.0)]
    masked = [Episode("t", [span], 1.0), Episode("t", [span], None)]

    metrics = update(engine, PolicyOptimizer(policy, OptimConfig(lr=1e-3)), [equal, masked], 1.0)

    assert engine.policy_id == before
    assert metrics["zero_variance_share"] == 1.0


@pytest.mark.slow
def test_end_to_end_rl_learns():
    domain, engine = ToyDomain("toy"), LocalEngine(make_text_policy(), FORMAT)
    settings = EpisodeSettings(turns=1200, tasks_per_step=2, group_size=8, lr=3e-3, max_new_tokens=6)
    with domain.serve() as client:
        tasks = [task.id for task in domain.tasks("train")]
        log = train_episodes(tasks, engine, client, settings, seed=0, max_steps=3)

    outcomes = [row["reward_mean"] for row in log]
    assert sum(outcomes[:5]) / 5 < 0.6 < 0.8 < sum(outcomes[-5:]) / 5


def test_end_to_end_rl_without_tasks_is_refused():
    with pytest.raises(InputError, match="expected at least one task to train on, got none"):
        train_episodes([], None, None, EpisodeSettings(), seed=0, max_steps=1)
