"""The search verifier at pivots without a corpus, and what makes an action invalid."""

import pytest

from pivotgym.core.errors import ConfigError
from pivotgym.core.messages import Action, Malformed
from pivotgym.core.readers.nemo_gym import from_nemo_gym_row
from pivotgym.core.trajectory import Origin, Pivot
from pivotgym.envs.base.runtime import Runtime
from pivotgym.envs.browsing import domain
from pivotgym.verifiers.judge import Opinion


def tool(name, **properties):
    schema = {"type": "object", "properties": properties, "required": [next(iter(properties))]}
    return {"type": "function", "function": {"name": name, "description": "", "parameters": schema}}


TEXT = {"type": "string"}
TOOLS = [
    tool("search", query={"type": "array", "items": TEXT}),
    tool("visit", url={"type": "array", "items": TEXT}, goal=TEXT),
    tool("finish", answer=TEXT),
]
QUESTION = "Which town on the river Wend was founded first, Barwick or Calmere?"


def acts(*calls):
    return Action.model_validate({"tool_calls": [{"name": name, "arguments": given} for name, given in calls]})


def search(*queries):
    return acts(("search", {"query": list(queries)}))


def visit(*urls, goal="to read it"):
    return acts(("visit", {"url": list(urls), "goal": goal}))


def finish(answer):
    return acts(("finish", {"answer": answer}))


def pivot(reference, **fields):
    return Pivot.model_validate(
        {
            "id": "run:0",
            "domain": "browsing",
            "messages": [{"role": "user", "content": QUESTION}],
            "tools": TOOLS,
            "reference": reference,
            "origin": Origin(kind="none"),
            **fields,
        }
    )


@pytest.fixture(scope="module")
def runtime():
    return Runtime(domain())


def outcome(runtime, reference, action, **fields):
    return runtime.verify(pivot(reference, **fields), action).outcome


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (Action(content=" "), "the action has neither a text nor a call"),
        (acts(("browse", {"url": "u"})), "no tool is called 'browse'; offered are ['finish', 'search', 'visit']"),
        (search(), "search: expected queries in 'query', got none"),
        (acts(("search", {"query": 5})), "search"),
        (acts(("visit", {"goal": "x"})), "visit: required argument 'url' is missing"),
        (acts(("visit", {"url": [""]})), "visit: expected addresses in 'url', got none"),
        (Malformed(text="{", reason="no call can be read"), "no call can be read"),
    ],
)
def test_what_cannot_be_run_is_invalid(runtime, action, reason):
    verdict = runtime.verify(pivot(search("a")), action)
    assert (verdict.outcome, verdict.reward) == ("invalid", 0.0)
    assert verdict.reason.startswith(reason)


def test_without_a_corpus_queries_are_compared_by_text_and_the_verdict_says_so(runtime):
    verdict = runtime.verify(pivot(search("Barwick founding year")), search("Barwick town founding year"))
    assert (verdict.outcome, verdict.method, verdict.executed) == ("equivalent", "search_text", False)
    assert outcome(runtime, search("Barwick founding year"), search("Calmere founding year")) == "different"


def test_batches_have_no_order(runtime):
    assert outcome(runtime, search("Barwick", "Calmere"), search("calmere", "barwick")) == "equivalent"
    assert outcome(runtime, search("Barwick", "Calmere"), search("Barwick")) == "different"


def test_several_calls_are_one_batch(runtime):
    two = acts(("search", {"query": ["Barwick"]}), ("search", {"query": ["Calmere"]}))
    assert outcome(runtime, search("Barwick", "Calmere"), two) == "equivalent"


def test_pages_are_compared_by_address_whatever_the_goal(runtime):
    page = "https://example.com/a"
    assert outcome(runtime, visit(page), visit("HTTPS://Example.com/a#x", goal="something else")) == "equivalent"
    assert outcome(runtime, visit(page), visit("https://example.com/b")) == "different"
    assert outcome(runtime, visit(page), visit(page, "https://example.com/b")) == "different"


def test_an_action_of_another_kind_is_different(runtime):
    verdict = runtime.verify(pivot(search("Barwick")), finish("Barwick"))
    assert verdict.reason == "the expert searches, this action answers"
    assert outcome(runtime, finish("Barwick"), Action(content="Barwick")) == "different"


def test_answers_are_compared_by_value(runtime):
    verdict = runtime.verify(pivot(finish("21 inches")), finish("21"))
    assert (verdict.outcome, verdict.method) == ("equivalent", "answer")
    assert outcome(runtime, finish("Barwick"), finish("Calmere")) == "different"


def test_the_first_of_several_answers_counts(runtime):
    both = acts(("finish", {"answer": "Calmere"}), ("finish", {"answer": "Barwick"}))
    assert outcome(runtime, finish("Barwick"), both) == "different"


def test_further_right_answers_that_the_pivot_carries_are_accepted(runtime):
    told = {"answers": ["Calmere"]}
    assert outcome(runtime, finish("Barwick"), finish("Calmere"), accepted=told) == "equivalent"
    assert outcome(runtime, finish("Barwick"), finish("Calmere"), metadata={"evidence": told}) == "equivalent"


def test_answers_in_messages_are_found(runtime):
    expert = Action(content="<think>long</think>\n<answer>Barwick</answer>")
    assert outcome(runtime, expert, Action(content="Final answer: barwick")) == "equivalent"
    assert outcome(runtime, expert, Action(content="<answer>Calmere</answer>")) == "different"


def test_a_long_message_that_states_the_gold_answer_is_accepted(runtime):
    expert = Action(
        content=f"<answer>{'After a look at the page of each town, it is plain that ' * 3}Barwick.</answer>"
    )
    stated = Action(content="<answer>Barwick was founded long before the other one of the two.</answer>")
    assert outcome(runtime, expert, stated, accepted={"answers": ["Barwick"]}) == "equivalent"


def test_a_long_message_that_offers_several_answers_is_not(runtime):
    expert = Action(
        content=f"<answer>{'After a look at the page of each town, it is plain that ' * 3}Barwick.</answer>"
    )
    several = Action(
        content="<answer>It was one of the towns there, Barwick or Calmere or Dunholm or Elmstead, I think.</answer>"
    )
    assert outcome(runtime, expert, several, accepted={"answers": ["Barwick"]}) == "different"


def test_a_judge_decides_what_the_rule_is_not_certain_of():
    asked = []

    def judge(expert, candidate, conversation):
        asked.append(candidate)
        return Opinion(True, "they are the same race")

    judged = domain()
    judged.use_judge(judge)
    runtime = Runtime(judged)
    verdict = runtime.verify(pivot(finish("Epsom Derby")), finish("the Derby race of 1964 at Epsom Downs"))
    assert (verdict.outcome, verdict.method, verdict.components["judge"]) == ("equivalent", "judge", 1.0)
    assert runtime.verify(pivot(finish("21")), finish("22")).outcome == "different"
    assert asked == ["the Derby race of 1964 at Epsom Downs"]


def test_tools_in_no_table_are_compared_as_they_are(runtime):
    offered = [tool("think", text=TEXT)]
    expert = acts(("think", {"text": "a"}))
    assert outcome(runtime, expert, expert, tools=offered) == "equivalent"
    assert outcome(runtime, expert, acts(("think", {"text": "b"})), tools=offered) == "different"


def test_the_domain_has_no_user_model():
    with pytest.raises(ConfigError, match="no users that a model could play"):
        domain().use_user_model(None)


def test_nvidias_rows_of_search_agents_are_scored(runtime):
    call = {"type": "function_call", "name": "web_search", "arguments": '{"query": "Barwick founding year"}'}
    row = {
        "responses_create_params": {
            "input": [{"role": "user", "content": QUESTION}],
            "tools": [{"type": "function", "name": "web_search", "parameters": {"type": "object"}, "strict": True}],
        },
        "expected_action": call,
        "agent_ref": {"type": "responses_api_agents", "name": "tavily_search_simple_agent"},
    }
    read = from_nemo_gym_row(row, name="rows/0")
    same = acts(("web_search", {"query": "founding year of Barwick"}))
    assert (read.domain, runtime.verify(read, same).reward) == ("browsing", 1.0)
    assert runtime.verify(read, acts(("web_search", {"query": "Calmere founding year"}))).reward == 0.0
