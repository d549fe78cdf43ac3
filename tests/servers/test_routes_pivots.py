from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from toy_domain import StoreDomain, call, make_pivot

from pivotgym.core.errors import NotFound, TooLarge, WrongState
from pivotgym.servers.client import Client
from pivotgym.servers.serve import BackgroundServer

Serving = Callable[..., BackgroundServer]


def test_pages_give_every_pivot_once(http: httpx.Client) -> None:
    ids, cursor = [], None
    while True:
        page = http.get("/pivots", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        ids += [pivot["id"] for pivot in page["pivots"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert ids == [f"toy/a:{number}" for number in range(5)]


def test_list_gives_the_digest(client: Client) -> None:
    assert next(iter(client.pivots())) == {
        "id": "toy/a:0",
        "digest": make_pivot(0).digest,
        "domain": "toy",
        "trajectory_id": "toy/a",
        "turn": 0,
    }


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("cursor=abc", "cursor: expected a whole number from 0 to 5, got 'abc'"),
        ("cursor=6", "cursor: expected a whole number from 0 to 5, got '6'"),
        ("limit=0", "limit: expected a whole number from 1 to 1000, got '0'"),
        ("limt=3", "query: unknown parameter 'limt'; expected some of ['cursor', 'limit']"),
    ],
)
def test_wrong_query_is_422(http: httpx.Client, query: str, message: str) -> None:
    answer = http.get(f"/pivots?{query}")
    assert answer.status_code == 422
    assert answer.json()["message"] == message


def test_pivot_comes_back_whole(client: Client) -> None:
    assert client.pivot("toy/a:3") == make_pivot(3)


def test_unknown_pivot_is_404(client: Client) -> None:
    with pytest.raises(NotFound, match="this server has no pivot 'toy/a:99'"):
        client.pivot("toy/a:99")


def test_added_pivots_are_known_and_adding_again_does_nothing(serving: Serving) -> None:
    with Client(serving().url) as client:
        assert client.add_pivots([make_pivot(number) for number in range(4)]) == 2
        assert client.add_pivots([make_pivot(3)]) == 0
        assert client.pivot("toy/a:3") == make_pivot(3)


def test_same_id_with_another_digest_is_409(client: Client) -> None:
    with pytest.raises(WrongState, match="pivots: 'toy/a:1' is known with digest"):
        client.add_pivots([make_pivot(1, call("get", key="color"))])


def test_a_refused_pivot_refuses_the_whole_call(client: Client) -> None:
    with pytest.raises(WrongState):
        client.add_pivots([make_pivot(50), make_pivot(50, call("get", key="color"))])
    with pytest.raises(NotFound):
        client.pivot("toy/a:50")


def test_pivots_over_the_limit_are_413(serving: Serving) -> None:
    with Client(serving(max_pivots=3).url) as client, pytest.raises(TooLarge, match="at most 3 in all, got 4"):
        client.add_pivots([make_pivot(2), make_pivot(3)])


def test_prepare_names_the_pivots_that_cannot_be_built(client: Client) -> None:
    prepared = client.prepare(["toy/a:0", "toy/a:1", "nowhere"])
    assert [(pivot_id, error.code) for pivot_id, error in prepared.refused.items()] == [("nowhere", "not_found")]


def test_prepare_tells_which_pivots_execute(serving: Serving) -> None:
    with Client(serving().url) as client:
        client.add_pivots([make_pivot(5), make_pivot(6, origin={"kind": "none"})])
        assert client.prepare(["toy/a:5", "toy/a:6"]).executable == {"toy/a:5"}


def test_prepare_proves_the_experts_action(serving: Serving) -> None:
    with Client(serving().url, retries=0) as client:
        client.add_pivots([make_pivot(5, call("break"))])
        assert client.prepare(["toy/a:5"]).refused["toy/a:5"].code == "world_failed"


def test_prepare_of_many_pivots_is_split(serving: Serving) -> None:
    with Client(serving(max_batch=600).url) as client:
        assert len(client.prepare([f"nowhere:{number}" for number in range(700)]).refused) == 700


def test_prepare_over_its_limit_is_413(client: Client) -> None:
    with pytest.raises(TooLarge, match="pivot_ids: expected at most 50, got 51"):
        client.prepare(["toy/a:0"] * 51)


def test_tasks_are_listed(client: Client) -> None:
    assert [(task["id"], task["metadata"]) for task in client.tasks()] == [
        (f"goal-{number}", {"goal": number}) for number in range(3)
    ]


def test_pivots_that_the_domain_ships_are_known(serving: Serving) -> None:
    class Shipping(StoreDomain):
        def pivots(self):
            return [make_pivot(7)]

    with Client(serving(Shipping()).url) as client:
        assert client.pivot("toy/a:7") == make_pivot(7)
