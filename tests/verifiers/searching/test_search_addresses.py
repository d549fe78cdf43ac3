"""When two addresses are the same page."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.verifiers.searching.addresses import address_key

SAME = [
    ("https://example.com/a", "HTTPS://EXAMPLE.com:443/a"),
    ("https://example.com/a", "http://example.com:80/a"),
    ("https://example.com", "https://example.com/"),
    ("https://example.com/a", "https://example.com/a/"),
    ("https://example.com/a", "https://example.com/a#part"),
    ("https://example.com/a", "https://example.com/a?"),
    ("https://example.com/b", "https://example.com/a/../b"),
    ("https://example.com/b", "https://example.com/a/%2E%2e/b"),
    ("https://example.com/~me", "https://example.com/%7Eme"),
    ("https://example.com/%C3%A9", "https://example.com/%c3%a9"),
    ("https://example.com/%C3%A9", "https://example.com/é"),
    ("https://example.com/a", "example.com/a"),
    ("https://example.com/Santa_(horse)", "https://example.com/Santa_%28horse%29"),
    ("https://example.com/a?q=b+c", "https://example.com/a?q=b%20c"),
    ("https://example.com/a?b=1", "https://example.com/a?utm_source=x&b=1&gclid=2"),
    ("https://münchen.example/", "https://xn--mnchen-3ya.example/"),
]
OTHER = [
    ("https://example.com/a", "https://example.com/b"),
    ("https://example.com/a", "https://example.com/A"),
    ("https://example.com/a", "https://www.example.com/a"),
    ("https://example.com/a?b=1", "https://example.com/a?b=2"),
    ("https://example.com/a", "https://example.com:8443/a"),
    ("https://example.com/a%2Fb", "https://example.com/a/b"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_the_same_page(one, other):
    assert address_key(one) == address_key(other) is not None


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_other_pages(one, other):
    assert address_key(one) != address_key(other)


@pytest.mark.parametrize(
    "text", ["", "Tasting Table", "ftp://example.com/a", "javascript:alert(1)", "https://", "a" * 9000]
)
def test_what_is_no_web_address(text):
    assert address_key(text) is None


@given(st.text(max_size=60))
def test_the_normal_form_is_its_own(text):
    key = address_key("https://example.com/" + text)
    assert key is None or address_key(key) == key
