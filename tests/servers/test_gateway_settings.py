"""Reading `PIVOTGYM_UPSTREAMS` and the gateway's other settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pivotgym.cli.main import run_app
from pivotgym.core.errors import ConfigError
from pivotgym.servers.gateway.app import create_gateway
from pivotgym.servers.gateway.settings import RESERVED, Address, GatewaySettings, parse_upstreams

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,20}", fullmatch=True).filter(lambda name: name not in RESERVED)
HOSTS = st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,4})?(\.[a-z]{2,5})?", fullmatch=True) | st.ip_addresses(v=4).map(
    str
)
ADDRESSES = st.builds(
    Address,
    st.sampled_from(["http", "https"]),
    HOSTS,
    st.integers(1, 65535),
    st.sampled_from(["", "/below", "/far/below"]),
)
UPSTREAMS = st.dictionaries(NAMES, st.lists(ADDRESSES, min_size=1, max_size=3, unique=True), min_size=1, max_size=3)


@settings(max_examples=40)
@given(UPSTREAMS, st.sampled_from([",", " ", "\n", ", ", ",\n  "]))
def test_what_is_written_is_read(upstreams: dict[str, list[Address]], separator: str) -> None:
    text = separator.join(f"{name}={address}" for name, addresses in upstreams.items() for address in addresses)

    assert parse_upstreams(text) == {name: tuple(addresses) for name, addresses in upstreams.items()}


def read_or_refused(text: str) -> str:
    try:
        return "read" if all(parse_upstreams(text).values()) else "empty"
    except ConfigError as error:
        return "refused" if error.message.startswith("PIVOTGYM_UPSTREAMS: ") else error.message


@given(st.text() | st.text("a=http:/.,[]@?#%1 "))
def test_any_text_is_read_or_refused(text: str) -> None:
    assert read_or_refused(text) in ("read", "refused")


def test_address_without_a_port_has_its_schemes() -> None:
    assert parse_upstreams("a=http://h,b=https://h/") == {
        "a": (Address("http", "h", 80),),
        "b": (Address("https", "h", 443),),
    }


def test_address_given_twice_is_one() -> None:
    assert parse_upstreams("a=http://h:1,a=http://h:1/") == {"a": (Address("http", "h", 1),)}


def test_ipv6_address_keeps_its_brackets() -> None:
    (address,) = parse_upstreams("a=http://[::1]:8000")["a"]

    assert (address.host, str(address)) == ("::1", "http://[::1]:8000")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected NAME=ADDRESS parts separated by commas, got ''"),
        ("http://h:1", "expected NAME=ADDRESS parts"),
        ("a b=http://h:1", "expected NAME=ADDRESS parts separated by commas, got 'a'"),
        ("=http://h:1", "expected a domain's name before '=', got '', which is none"),
        ("a/b=http://h:1", "got 'a/b', which is none"),
        ("metrics=http://h:1", "got 'metrics', which the gateway keeps for itself"),
        ("a=h:1", "a: expected an http or https address, got 'h:1'"),
        ("a=ftp://h:1", "a: expected an http or https address"),
        ("a=http://", "a: expected an http or https address"),
        ("a=http://h:99999", "a: expected an address, got 'http://h:99999'"),
        ("a=http://me:secret@h", "a: expected an address without user and password"),
        ("a=http://h?x=1", "a: expected an address without a query"),
    ],
)
def test_refusal_says_what_was_expected(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_upstreams(text)

    assert message in caught.value.message
    assert "secret" not in str(caught.value)


def test_gateway_without_upstreams_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.delenv("PIVOTGYM_UPSTREAMS", raising=False)

    assert run_app(["gateway"]) == 3
    assert "--upstream, PIVOTGYM_UPSTREAMS: expected at least one server, got none" in capsys.readouterr().err


def test_other_bind_than_loopback_needs_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIVOTGYM_TOKEN_FILE", raising=False)
    settings = GatewaySettings.load({"host": "0.0.0.0", "upstreams": "a=http://h:1"})

    with pytest.raises(ConfigError, match="no bearer token is set"):
        create_gateway(settings)


def test_token_of_the_upstreams_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    settings = GatewaySettings.load({"upstreams": "a=http://h:1", "upstream_token_file": tmp_path / "none"})

    with pytest.raises(ConfigError, match="PIVOTGYM_UPSTREAM_TOKEN_FILE: expected a readable text file"):
        create_gateway(settings)


def test_unknown_setting_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"server settings: .*up_streams"):
        GatewaySettings.load({"up_streams": "a=http://h:1"})
