"""Pages of other sites, in a browser on the machine of a server without a token."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from gateways import RunningGateway
from toy_domain import call

from pivotgym.servers.serve import BackgroundServer

VERIFY = {"pivot_id": "toy/a:0", "action": call("set", key="color", value="red").to_json()}
FROM_ELSEWHERE = [
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://127.0.0.1:1"},
    {"origin": "http://["},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
]
OTHER_NAMES = ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example", "[", "1.2.3"]
OWN_NAMES = ["127.0.0.1", "127.0.0.1:9", "localhost:9", "LOCALHOST", "a.localhost", "[::1]:9", "gateway", "10.0.0.7:80"]


@pytest.fixture(scope="module")
def gateway(server: BackgroundServer) -> Iterator[httpx.Client]:
    with RunningGateway(f"toy={server.url}") as running, httpx.Client(base_url=running.url, trust_env=False) as made:
        yield made


@pytest.mark.parametrize("headers", FROM_ELSEWHERE, ids=str)
def test_request_of_another_sites_page_is_refused(http: httpx.Client, headers: dict[str, str]) -> None:
    answer = http.post("/verify", json=VERIFY, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert answer.json()["message"].startswith("origin: expected that of this server, got ")


def test_form_of_another_sites_page_is_refused_at_the_gateway_too(gateway: httpx.Client) -> None:
    answer = gateway.post("/toy/sessions", content=b"{}", headers={"origin": "https://evil.example"})

    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize("headers", [{}, {"sec-fetch-site": "none"}, {"sec-fetch-site": "same-origin"}], ids=str)
def test_request_of_no_page_or_an_own_one_is_answered(http: httpx.Client, headers: dict[str, str]) -> None:
    own = {"origin": str(http.base_url).rstrip("/")} if headers else {}

    assert http.post("/verify", json=VERIFY, headers={**headers, **own}).status_code == 200


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_name_that_leads_here_from_outside_is_refused(http: httpx.Client, name: str) -> None:
    answer = http.get("/metadata", headers={"host": name})

    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert answer.json()["message"] == f"host: expected an address or localhost, got {name!r}"


@pytest.mark.parametrize("path", ["/ui", "/ui.json", "/toy/metadata", "/metrics"])
def test_name_that_leads_to_the_gateway_from_outside_is_refused(gateway: httpx.Client, path: str) -> None:
    assert gateway.get(path, headers={"host": "evil.example"}).status_code == 403


@pytest.mark.parametrize("name", OWN_NAMES)
def test_own_names_are_answered(http: httpx.Client, name: str) -> None:
    assert http.get("/metadata", headers={"host": name}).status_code == 200


def test_no_answer_lets_another_sites_page_read_it(http: httpx.Client) -> None:
    asked = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    answers = [http.get("/metadata", headers=asked), http.request("OPTIONS", "/verify", headers=asked)]

    assert not [name for answer in answers for name in answer.headers if name.startswith("access-control-")]
