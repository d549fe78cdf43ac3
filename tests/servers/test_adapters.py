from __future__ import annotations

from typing import Any

import httpx
import pytest
from toy_domain import call

from pivotgym.core.messages import Action

DONE = Action(content="done").to_json()
ANSWER = '<tool_call>\n{"name": "set", "arguments": {"key": "color", "value": "%s"}}\n</tool_call>'


def test_gym_reset_and_step(http: httpx.Client) -> None:
    session_id = http.post("/reset", json={"task_id": "goal-2"}).json()["session_id"]
    action = call("set", key="goal", value=2).to_json()
    assert http.post("/step", json={"session_id": session_id, "action": action}).json()["observation"] == "2"
    done = http.post("/step", json={"session_id": session_id, "action": DONE}).json()
    assert (done["reward"], done["terminated"]) == (1.0, True)
    http.delete(f"/sessions/{session_id}")


def test_gym_reset_with_a_session_resets_it_in_place(http: httpx.Client) -> None:
    session_id = http.post("/reset", json={"task_id": "goal-2"}).json()["session_id"]
    http.post("/step", json={"session_id": session_id, "action": DONE})
    again = http.post("/reset", json={"session_id": session_id, "pivot_id": "toy/a:1"}).json()
    assert (again["session_id"], again["observation"]) == (session_id, "paint it red, please (1)")
    about = http.get(f"/sessions/{session_id}").json()
    assert (about["steps"], about["pivot_id"], about["task_id"], about["state"]) == (0, "toy/a:1", None, "live")
    http.delete(f"/sessions/{session_id}")


def test_gym_reset_of_an_unknown_session_is_404(http: httpx.Client) -> None:
    assert http.post("/reset", json={"session_id": "zz", "task_id": "goal-0"}).status_code == 404


def test_gym_step_without_a_session_names_the_field(http: httpx.Client) -> None:
    answer = http.post("/step", json={"action": DONE})
    assert answer.status_code == 422
    assert answer.json()["message"] == "body: session_id: Field required"


def reward(http: httpx.Client, **body: Any) -> httpx.Response:
    return http.post("/reward", json=body)


def test_reward_scores_the_answer_behind_the_prompt(http: httpx.Client) -> None:
    answers = [ANSWER % "red", ANSWER % "blue", "no call <tool_call>"]
    prompts = ["<|im_start|>P1", "P2", "P3"]
    queries = [prompt + answer for prompt, answer in zip(prompts, answers, strict=True)]
    answer = reward(http, query=queries, prompts=prompts, labels=["toy/a:0", "toy/a:1", "toy/a:2"]).json()
    assert answer["rewards"] == answer["scores"] == [1.0, 0.0, 0.0]
    assert answer["extra_logs"] == {
        "equivalent": [1.0, 0.0, 0.0],
        "different": [0.0, 1.0, 0.0],
        "invalid": [0.0, 0.0, 1.0],
        "executed": [0.0, 1.0, 0.0],
    }


def test_reward_refuses_lists_of_unequal_length(http: httpx.Client) -> None:
    answer = reward(http, query=["Px"], prompts=["P", "Q"], labels=["toy/a:0"])
    assert answer.status_code == 422
    assert answer.json()["message"] == "query, prompts, labels: expected equal lengths, got [1, 2, 1]"


def test_reward_refuses_a_query_without_its_prompt(http: httpx.Client) -> None:
    answer = reward(http, query=["Qx"], prompts=["P"], labels=["toy/a:0"])
    assert answer.json()["message"] == "query.0: expected it to begin with prompts.0, it does not"


@pytest.mark.parametrize(("label", "status"), [("nowhere", 404), (7, 422)])
def test_reward_refuses_labels_that_are_no_pivot(http: httpx.Client, label: Any, status: int) -> None:
    assert reward(http, query=["Px"], prompts=["P"], labels=[label]).status_code == status


def test_reward_over_the_batch_limit_is_413(http: httpx.Client) -> None:
    answer = reward(http, query=["P"] * 51, prompts=["P"] * 51, labels=["toy/a:0"] * 51)
    assert answer.json()["message"] == "query: expected at most 50 samples, got 51"


def test_failure_of_ours_is_no_reward(http: httpx.Client) -> None:
    text = 'P<tool_call>\n{"name": "break", "arguments": {}}\n</tool_call>'
    answer = reward(http, query=[text], prompts=["P"], labels=["toy/a:0"])
    assert (answer.status_code, answer.json()["code"]) == (503, "world_failed")
