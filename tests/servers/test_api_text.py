from __future__ import annotations

import base64
import hashlib
import re

import httpx
import pytest

from pivotgym.servers import api_text, app
from pivotgym.servers.openapi import document


@pytest.fixture(scope="module")
def described() -> dict[str, object]:
    return document("An <b>environment</b>", "1.0", "It's & serves.", app.ROUTES)


def test_every_route_has_a_heading(described: dict[str, object]) -> None:
    text = api_text.markdown(described)
    for spec in app.ROUTES:
        path = re.sub(r":\w+}", "}", spec.path)
        assert f"### `{spec.method} {path}`\n" in text


def test_every_link_leads_to_a_heading_of_the_page(described: dict[str, object]) -> None:
    page = api_text.page(described).decode()
    ids = set(re.findall(r'<h[1-6] id="([^"]+)"', page))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= ids


def test_what_a_field_is_for_comes_from_its_docstring(described: dict[str, object]) -> None:
    assert "| `truncated` | boolean | Whether the policy was cut at its token limit;" in api_text.markdown(described)


def test_names_and_descriptions_are_text_and_no_markup(described: dict[str, object]) -> None:
    page = api_text.page(described).decode()
    assert "<b>" not in page
    assert "It's &amp; serves." in page


def test_documentation_page_loads_and_runs_nothing(http: httpx.Client) -> None:
    answer = http.get("/docs")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; ")
    assert not re.search(r"<script|<link|<img|<iframe|\bsrc=|https?://|\bon\w+=", answer.text)


def test_documentation_page_has_the_style_that_its_policy_allows(http: httpx.Client) -> None:
    answer = http.get("/docs")
    (style,) = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in answer.headers["content-security-policy"]
