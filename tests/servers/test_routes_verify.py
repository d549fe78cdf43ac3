from __future__ import annotations

from typing import Any

import httpx
import pytest
from toy_domain import Store, StoreDomain, call, make_pivot

from pivotgym.core.errors import TimedOut
from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Effects
from pivotgym.servers.client import Client

RED = call("set", key="color", value="red").to_json()
BLUE = call("set", key="color", value="blue").to_json()


def verify(http: httpx.Client, **body: Any) -> httpx.Response:
    return http.post("/verify", json={"pivot_id": "toy/a:0", "action": RED, **body})


def batch(http: httpx.Client, *items: Any, **more: Any) -> list[Any]:
    answer = http.post("/verify/batch", json={"items": list(items), **more})
    assert answer.status_code == 200, answer.text
    results: list[Any] = answer.json()["results"]
    return results


def test_experts_own_action_is_equivalent_without_execution(http: httpx.Client) -> None:
    verdict = verify(http).json()
    assert (verdict["outcome"], verdict["reward"], verdict["executed"]) == ("equivalent", 1.0, False)


def test_other_action_is_executed(http: httpx.Client) -> None:
    verdict = verify(http, action=BLUE).json()
    assert (verdict["outcome"], verdict["reward"], verdict["executed"]) == ("different", 0.0, True)


def test_same_request_gives_the_same_bytes(http: httpx.Client) -> None:
    assert verify(http, action=BLUE).content == verify(http, action=BLUE).content


def test_whole_pivot_may_be_sent(http: httpx.Client) -> None:
    answer = http.post("/verify", json={"pivot": make_pivot(77).to_json(), "action": RED})
    assert answer.json()["reward"] == 1.0


def test_text_is_parsed_in_the_named_format(http: httpx.Client) -> None:
    text = '<tool_call>\n{"name": "set", "arguments": {"key": "color", "value": "red"}}\n</tool_call>'
    assert verify(http, action={"text": text, "format": "hermes"}).json()["reward"] == 1.0


def test_text_cut_at_its_token_limit_is_invalid(http: httpx.Client) -> None:
    verdict = verify(http, action={"text": "<tool", "format": "hermes", "truncated": True}).json()
    assert (verdict["outcome"], verdict["truncated"]) == ("invalid", True)


def test_text_that_the_caller_could_not_parse_is_invalid(http: httpx.Client) -> None:
    verdict = verify(http, action={"text": "{", "reason": "expected a JSON object, got '{'"}).json()
    assert (verdict["outcome"], verdict["reason"]) == ("invalid", "expected a JSON object, got '{'")


def test_unknown_format_lists_the_formats(http: httpx.Client) -> None:
    answer = verify(http, action={"text": "x", "format": "klingon"})
    assert answer.status_code == 422
    assert "action.format: format: expected one of ['hermes'" in answer.json()["message"]


@pytest.mark.parametrize(("sent", "came"), [({"pivot_id": None}, "neither"), ({"pivot": "both"}, "both")])
def test_exactly_one_pivot_is_expected(http: httpx.Client, sent: dict[str, Any], came: str) -> None:
    sent = {"pivot": make_pivot().to_json()} if came == "both" else sent
    answer = verify(http, **sent)
    assert answer.status_code == 422
    assert answer.json()["message"] == f"pivot_id, pivot: expected exactly one of them, got {came}"


def test_unknown_pivot_is_404(http: httpx.Client) -> None:
    answer = verify(http, pivot_id="toy/z:9")
    assert answer.status_code == 404
    assert answer.json()["message"].startswith("pivot_id: this server has no pivot 'toy/z:9'")


def test_pivot_of_another_domain_is_refused(http: httpx.Client) -> None:
    answer = http.post("/verify", json={"pivot": make_pivot(domain="other").to_json(), "action": RED})
    assert answer.status_code == 422
    assert answer.json()["message"] == "pivot.domain: expected 'toy', which this server serves, got 'other'"


def test_large_origin_is_refused(http: httpx.Client) -> None:
    big = make_pivot(origin={"kind": "store", "values": {"x": "y" * 70_000}})
    answer = http.post("/verify", json={"pivot": big.to_json(), "action": RED})
    assert answer.status_code == 413
    assert answer.json()["message"].startswith("pivot.origin: expected at most 65536 bytes of JSON, got 70")


def test_unknown_field_is_named(http: httpx.Client) -> None:
    answer = verify(http, seed=3)
    assert answer.status_code == 422
    assert answer.json()["message"] == "body: seed: Extra inputs are not permitted"


def test_broken_world_is_503_with_a_code(http: httpx.Client) -> None:
    answer = verify(http, action=call("break").to_json())
    assert answer.status_code == 503
    assert (answer.json()["code"], answer.json()["retryable"]) == ("world_failed", True)


def test_unexpected_failure_tells_nothing_of_the_inside(http: httpx.Client) -> None:
    answer = verify(http, action=call("crash").to_json())
    assert answer.status_code == 503
    assert answer.json()["code"] == "world_failed"
    assert "secret-of-the-inside" not in answer.text


def test_slow_verification_times_out_with_504(client: Client) -> None:
    with pytest.raises(TimedOut, match=r"the verification took longer than 0\.1 s"):
        client.verify("toy/a:0", call("sleep", seconds=0.5), timeout_s=0.1)


def test_batch_keeps_the_order_and_a_bad_item_fails_alone(http: httpx.Client) -> None:
    results = batch(
        http,
        {"pivot_id": "toy/a:0", "action": RED},
        {"pivot_id": "nowhere", "action": RED},
        {"pivot_id": "toy/a:1", "action": {"role": "user"}},
        {"pivot_id": "toy/a:1", "action": call("crash").to_json()},
        "not an item",
        {"pivot_id": "toy/a:1", "action": BLUE},
    )
    assert [result.get("reward", result.get("error", {}).get("code")) for result in results] == [
        1.0,
        "not_found",
        "invalid_input",
        "world_failed",
        "invalid_input",
        0.0,
    ]


def test_batch_takes_many_actions_per_pivot(http: httpx.Client) -> None:
    (result,) = batch(http, {"pivot_id": "toy/a:0", "actions": [RED, BLUE, RED]})
    assert [verdict["reward"] for verdict in result] == [1.0, 0.0, 1.0]


def test_batch_errors_stand_in_each_place_of_a_bad_group(http: httpx.Client) -> None:
    (result,) = batch(http, {"pivot_id": "nowhere", "actions": [RED, BLUE]})
    assert [item["error"]["code"] for item in result] == ["not_found", "not_found"]


def test_empty_batch_is_empty(http: httpx.Client) -> None:
    assert batch(http) == []


@pytest.mark.parametrize(
    ("fields", "came"), [({}, "neither"), ({"action": RED, "actions": [RED]}, "both"), ({"actions": None}, "null")]
)
def test_batch_item_has_exactly_one_kind_of_action(http: httpx.Client, fields: dict[str, Any], came: str) -> None:
    results = batch(http, {"pivot_id": "toy/a:0", **fields})
    error = (results[0] if isinstance(results[0], dict) else results[0][0])["error"]
    assert error["message"] == f"action, actions: expected exactly one of them, got {came}"


def test_batch_over_its_limit_is_413(http: httpx.Client) -> None:
    answer = http.post("/verify/batch", json={"items": [{"pivot_id": "toy/a:0", "actions": [RED] * 51}]})
    assert answer.status_code == 413
    assert answer.json()["message"] == "items: expected at most 50 actions in one batch, got 51"


def test_batch_out_of_time_gives_what_it_has(http: httpx.Client) -> None:
    slow = call("sleep", seconds=0.6).to_json()
    results = batch(http, {"pivot_id": "toy/a:0", "actions": [RED, slow]}, timeout_s=0.2)
    assert [item.get("reward", item.get("error", {}).get("code")) for item in results[0]] == [1.0, "timeout"]


class Counting(Store):
    """The store; counts what is run in it."""

    runs: list[Action] = []  # noqa: RUF012 - shared on purpose

    def run(self, action: Action) -> Effects:
        self.runs.append(action)
        return super().run(action)


class CountingDomain(StoreDomain):
    """The toy domain in worlds that count."""

    def world(self) -> Counting:
        return Counting()


def test_equal_actions_of_a_batch_are_run_once_per_pivot(serving: Any) -> None:
    running = serving(CountingDomain())
    with Client(running.url) as client:
        for number in range(2):
            client.verify(f"toy/a:{number}", call("get", key="color"))
        Counting.runs.clear()
        items = [{"pivot_id": f"toy/a:{number}", "actions": [BLUE, BLUE, BLUE]} for number in range(2)]
        with httpx.Client(base_url=running.url, trust_env=False) as http:
            results = batch(http, *items)

    assert [[verdict["reward"] for verdict in group] for group in results] == [[0.0] * 3] * 2
    assert len(Counting.runs) == 2


def test_equal_broken_actions_of_a_batch_fail_each(http: httpx.Client) -> None:
    results = batch(http, {"pivot_id": "toy/a:0", "actions": [{"role": "user"}, {"role": "user"}, RED]})

    assert [("error" in result) for result in results[0]] == [True, True, False]
