"""The configuration: one file, every arm, and what is refused."""

import pytest
from even_pivots import make_pivots
from toy_study import toy_config

from pivotgym.core.errors import ConfigError
from pivotgym.core.messages import Action, ToolCall
from pivotgym.study.claims import CLAIMS, END_TO_END
from pivotgym.study.config import load_study
from pivotgym.verifiers.rules import comparator_of

HEAD = "domains: [a]\ntext_rules: {}\n"


def test_every_arm_of_a_claim_is_configured():
    compared = [one for claim in (*CLAIMS, END_TO_END) for one in (*claim.deciding, *claim.beside)]

    assert {arm for one in compared for arm in (one.better, one.worse)} <= set(load_study().arms)


def test_every_claim_of_the_seven_is_answered():
    assert sorted(claim.number for claim in (*CLAIMS, END_TO_END)) == [1, 2, 3, 4, 5, 6, 7]


def test_quick_is_a_smaller_set_of_the_same():
    whole, quick = load_study(), load_study(quick=True)

    assert quick.arms == whole.arms
    assert quick.seeds < whole.seeds
    assert quick.data.candidates < whole.data.candidates
    assert quick.data.eval_turns == whole.data.eval_turns


@pytest.mark.parametrize("quick", [False, True])
def test_end_to_end_rl_has_the_turns_to_be_matched_with(quick):
    config = load_study(quick=quick)
    grpo = config.grpo
    ours = config.data.candidates * config.profile.k + grpo.steps * grpo.pivots_per_step * grpo.group_size

    assert config.episodes.turns >= config.times * ours


def test_an_arm_brings_the_one_it_starts_from():
    arms, domains, seeds = load_study().chosen(["pivotrl_e2e"], ["terminal"], 2)

    assert (arms, domains, seeds) == (["base", "pivotrl", "pivotrl_e2e"], ["terminal"], 2)


def test_an_unknown_arm_is_named():
    with pytest.raises(ConfigError, match=r"arms: expected some of \['base', .*, got 'grpo'"):
        load_study().chosen(["grpo"], None, None)


def test_an_unknown_domain_is_named():
    with pytest.raises(ConfigError, match=r"domains: expected some of \['tool_use', 'terminal'\], got 'swe'"):
        load_study().chosen(None, ["swe"], None)


def test_more_seeds_and_other_arms_keep_the_lines_there_are():
    config = toy_config()
    fewer = config.model_copy(update={"arms": {name: config.arms[name] for name in ("base", "sft")}, "seeds": 9})

    assert fewer.digest_of("sft") == config.digest_of("sft")


def test_other_sizes_do_not():
    assert toy_config(sft={"lr": 0.5}).digest_of("sft") != toy_config().digest_of("sft")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", "expected a mapping, got list"),
        ("a: [", "expected YAML, got"),
        (HEAD + "arms: {}", "expected 'base' with method 'none' among them"),
        (
            HEAD + "arms: {base: {title: b, method: none}, x: {title: x, method: sft, start: y}}",
            "arms.x.start: expected 'base' or an arm that starts there, got 'y'",
        ),
        (
            HEAD + "arms: {base: {title: b, method: none}, x: {title: x, method: grpo, rule: text}}",
            r"text_rules: expected a rule for each domain, got none for \['a'\]",
        ),
    ],
)
def test_a_wrong_file_is_refused(tmp_path, text, message):
    (tmp_path / "study.yaml").write_text(text)

    with pytest.raises(ConfigError, match=message):
        load_study(tmp_path / "study.yaml")


@pytest.mark.parametrize("domain", load_study().domains)
def test_the_text_rules_judge_calls_and_messages(domain):
    rule = comparator_of(load_study().text_rules[domain])
    call = Action(tool_calls=(ToolCall(name="bash", arguments={"command": "mv a b"}, id="c"),))
    pivots = [pivot.model_copy(update={"reference": call}) for pivot in make_pivots(1)] + make_pivots(1)

    assert [[rule.by_rule(pivot, action).reward for action in (call, Action(content="Done."))] for pivot in pivots] == [
        [1.0, 0.0],
        [0.0, 1.0],
    ]
