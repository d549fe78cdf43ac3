"""Where a call goes, without any server: replicas in a key's order, ids of sessions, the reading of addresses."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pivotgym.servers.gateway.calls import Call, path_below, place_of
from pivotgym.servers.gateway.settings import Address, GatewaySettings
from pivotgym.servers.gateway.upstream import Upstream, public_id, tag_of


def make_upstream(count: int) -> Upstream:
    """An upstream whose replicas are all ready."""
    made = Upstream("toy", GatewaySettings.load({"upstreams": "toy=http://toy"}), None)
    for number in range(count):
        made.add(Address("http", f"10.0.0.{number}", 8000))
    for replica in made.replicas.values():
        replica.is_("ready")
    return made


@settings(max_examples=50)
@given(st.text(), st.integers(2, 8), st.data())
def test_losing_a_server_leaves_the_order_of_the_others(key: str, count: int, data: st.DataObject) -> None:
    upstream = make_upstream(count)
    before = upstream.order(key)
    lost = data.draw(st.sampled_from(before))
    lost.is_("down", "it was killed")

    assert upstream.order(key) == [replica for replica in before if replica is not lost]


def test_keys_spread_evenly() -> None:
    upstream = make_upstream(4)
    firsts = Counter(upstream.order(f"key-{number}")[0].tag for number in range(4000))

    assert len(firsts) == 4
    assert max(firsts.values()) < 1.15 * min(firsts.values())


def test_placed_key_comes_first_where_it_was_placed() -> None:
    upstream = make_upstream(4)
    elsewhere = upstream.order("key")[2]
    upstream.place("key", elsewhere)

    assert upstream.order("key")[0] is elsewhere


def test_least_to_do_is_picked_and_equals_take_turns() -> None:
    upstream = make_upstream(3)
    busy, *free = upstream.replicas.values()
    busy.in_flight = 1
    picked = [upstream.pick() for _ in range(4)]

    assert Counter(replica.tag for replica in picked if replica) == {free[0].tag: 2, free[1].tag: 2}


def test_servers_that_cannot_serve_are_not_picked() -> None:
    upstream = make_upstream(3)
    fine, unready, unnamed = upstream.replicas.values()
    unready.is_("unready", "no index")
    unnamed.named = False

    assert {upstream.pick() for _ in range(4)} == {fine}
    assert upstream.pick(without=(fine,)) is None


@given(st.text(min_size=1))
def test_id_of_a_session_leads_to_its_server(own: str) -> None:
    upstream = make_upstream(3)
    replica = list(upstream.replicas.values())[1]

    assert upstream.split(public_id(replica, own)) == (replica, own)


@given(st.text())
def test_any_other_id_leads_nowhere(text: str) -> None:
    upstream = make_upstream(3)
    known = any(text.startswith(f"{tag}.") for tag in upstream.replicas)

    assert known or upstream.split(text)[0] is None


def test_address_makes_the_mark_whatever_the_order() -> None:
    one, other = make_upstream(3), make_upstream(5)

    assert set(one.replicas) < set(other.replicas)
    assert tag_of(Address("http", "10.0.0.1", 8000)) != tag_of(Address("http", "10.0.0.1", 8000, "/below"))


def scope_of(raw: bytes, method: str = "GET") -> dict[str, object]:
    return {"type": "http", "method": method, "path": "/", "raw_path": raw, "query_string": b"", "headers": []}


@given(st.binary(), st.sampled_from(["GET", "POST", "DELETE", "HEAD"]), st.binary(max_size=50))
def test_any_path_is_read(rest: bytes, method: str, body: bytes) -> None:
    scope = scope_of(b"/" + rest, method)
    place = place_of(scope)
    if place is None:
        assert b"/" not in rest
        return
    call = Call.of(scope, place.path)
    assert path_below(scope).startswith("/")
    assert call.label
    assert call.session() is None or call.in_session("own").path == call.in_session("own").target


@pytest.mark.parametrize(
    ("method", "path", "label"),
    [
        ("POST", b"/verify", "POST /verify"),
        ("POST", b"/sessions/secret/step", "POST /sessions/{session_id}/step"),
        ("GET", b"/sessions/secret", "GET /sessions/{session_id}"),
        ("POST", b"/sessions/secret/other", "POST /sessions/{session_id}/..."),
        ("GET", b"/pivots/a%2Fb:1", "GET /pivots/{pivot_id}"),
        ("POST", b"/pivots/prepare", "POST /pivots/prepare"),
        ("POST", b"/reward/secret", "POST /reward"),
        ("POST", b"/rew%61rd/secret", "POST /reward"),
        ("GET", b"/secret", "other"),
    ],
)
def test_no_id_and_no_token_becomes_a_label(method: str, path: bytes, label: str) -> None:
    assert Call.of(scope_of(b"/toy" + path, method), path).label == label


@pytest.mark.parametrize(
    ("method", "path", "pure"),
    [
        ("GET", b"/tasks", True),
        ("POST", b"/verify/batch", True),
        ("POST", b"/reward/x", True),
        ("POST", b"/pivots/prepare", True),
        ("POST", b"/sessions", False),
        ("POST", b"/pivots", False),
        ("POST", b"/unknown", False),
        ("DELETE", b"/sessions/x", False),
    ],
)
def test_only_what_changes_nothing_may_be_repeated(method: str, path: bytes, pure: bool) -> None:
    assert Call.of(scope_of(b"/toy" + path, method), path).pure is pure
