"""When two addresses are the same page."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.verifiers.searching.addresses import address_key

A = "https://example.com/a"
BY_RFC_3986 = [
    (A, "HTTPS://example.com/a"),
    (A, "https://EXAMPLE.com/a"),
    (A, "https://example.com:443/a"),
    ("http://example.com/a", "http://example.com:80/a"),
    (A, "https://example.com:/a"),
    ("https://example.com", "https://example.com/"),
    ("https://example.com?b=1", "https://example.com/?b=1"),
    (A, "https://example.com/a#part"),
    (A, "https://example.com/a#:~:text=part"),
    ("https://example.com/b", "https://example.com/a/../b"),
    ("https://example.com/b", "https://example.com/./b"),
    ("https://example.com/b", "https://example.com/a/%2E%2e/b"),
    ("https://example.com/b", "https://example.com/../../b"),
    ("https://example.com/~me", "https://example.com/%7Eme"),
    ("https://example.com/a", "https://example.com/%61"),
    ("https://example.com/%C3%A9", "https://example.com/%c3%a9"),
    ("https://example.com/%C3%A9", "https://example.com/é"),
    ("https://münchen.example/", "https://xn--mnchen-3ya.example/"),
]
BY_OUR_DECISION = [
    (A, "http://example.com/a"),
    (A, "example.com/a"),
    (A, "//example.com/a"),
    (A, "<https://example.com/a>"),
    (A, "https://www.example.com/a"),
    (A, "https://m.example.com/a"),
    ("https://en.wikipedia.org/wiki/A", "https://en.m.wikipedia.org/wiki/A"),
    (A, "https://example.com./a"),
    (A, "https://example.com/a/"),
    (A, "https://example.com/a?"),
    (A, "https://user:word@example.com/a"),
    ("https://example.com/Santa_(horse)", "https://example.com/Santa_%28horse%29"),
    ("https://example.com/a?q=b+c", "https://example.com/a?q=b%20c"),
    ("https://example.com/a?b=1", "https://example.com/a?utm_source=x&b=1&gclid=2"),
]
OTHER = [
    (A, "https://example.com/b"),
    (A, "https://example.com/A"),
    (A, "https://example.com/"),
    (A, "https://example.com/a/b"),
    (A, "https://example.org/a"),
    (A, "https://shop.example.com/a"),
    (A, "https://team.example.com/a"),
    ("https://m.de/a", "https://de/a"),
    ("https://example.com/a?b=1", "https://example.com/a?b=2"),
    ("https://example.com/a?b=1", "https://example.com/a"),
    ("https://example.com/a?b=1&c=2", "https://example.com/a?c=2&b=1"),
    (A, "https://example.com:8443/a"),
    (A, "http://example.com:443/a"),
    ("https://example.com/a%2Fb", "https://example.com/a/b"),
    ("https://example.com/%2541", "https://example.com/%41"),
    ("https://example.com/", "https://example.com/index.html"),
    (A, "https://example.com@evil.example/a"),
]


@pytest.mark.parametrize(("one", "other"), BY_RFC_3986)
def test_the_same_page_by_the_rfc(one, other):
    assert address_key(one) == address_key(other) is not None


@pytest.mark.parametrize(("one", "other"), BY_OUR_DECISION)
def test_the_same_page_by_our_decision(one, other):
    assert address_key(one) == address_key(other) is not None


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_other_pages(one, other):
    assert None is not address_key(one) != address_key(other)


@pytest.mark.parametrize("parameter", ["utm_campaign", "UTM_Source", "fbclid", "srsltid", "_ga", "mc_cid"])
def test_parameters_of_clicks_do_not_count(parameter):
    assert address_key(f"{A}?{parameter}=1") == address_key(A)


@pytest.mark.parametrize(
    "text", ["", "Tasting Table", "ftp://example.com/a", "javascript:alert(1)", "https://", "a" * 9000]
)
def test_what_is_no_web_address(text):
    assert address_key(text) is None


@given(st.text(max_size=60))
def test_the_normal_form_is_its_own(text):
    key = address_key("https://example.com/" + text)
    assert key is None or address_key(key) == key
