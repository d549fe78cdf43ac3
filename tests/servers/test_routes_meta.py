from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from toy_domain import StoreDomain, call

from pivotgym.core.errors import TimedOut
from pivotgym.servers.client import Client
from pivotgym.servers.serve import BackgroundServer

Serving = Callable[..., BackgroundServer]


def test_health(http: httpx.Client) -> None:
    assert http.get("/health").json() == {"status": "ok"}


def test_ready(http: httpx.Client) -> None:
    assert http.get("/ready").json() == {"ready": True}


def test_not_ready_says_what_is_missing_and_recovers(serving: Serving) -> None:
    domain = StoreDomain()
    server = serving(domain)
    with Client(server.url, retries=0) as client, httpx.Client(trust_env=False) as http:
        domain.missing = "the index is not built"
        answer = http.get(f"{server.url}/ready")
        assert (answer.status_code, answer.json()["code"]) == (503, "warming")
        assert "'toy' cannot serve yet: the index is not built" in answer.json()["message"]
        assert not client.ready()
        with pytest.raises(TimedOut, match=r"is not ready after 0\.1 s: .*the index is not built"):
            client.wait_ready(0.1)
        domain.missing = None
        assert client.ready()


def test_metadata_says_what_the_server_is(client: Client) -> None:
    about = client.metadata()
    assert (about["name"], about["verifier"], about["pivots"]) == ("toy", "store", 5)
    assert about["horizons"] == ["pivot", "episode"]
    assert about["limits"]["max_batch"] == 50
    assert "hermes" in about["formats"]
    assert list(about["options"]) == ["horizon"]


def test_metrics_count_requests_verdicts_errors_and_sessions(serving: Serving) -> None:
    server = serving()
    with Client(server.url, retries=0) as client, httpx.Client(trust_env=False) as http:
        client.verify("toy/a:0", call("set", key="color", value="red"))
        http.post(f"{server.url}/verify", json={"pivot_id": "nowhere", "action": {}})
        with client.session(task_id="goal-0"):
            page = http.get(f"{server.url}/metrics")
    assert page.headers["content-type"].startswith("text/plain")
    for line in (
        'pivotgym_requests_total{route="POST /verify",status="200"} 1.0',
        'pivotgym_requests_total{route="POST /verify",status="404"} 1.0',
        'pivotgym_verdicts_total{executed="false",outcome="equivalent"} 1.0',
        'pivotgym_errors_total{code="not_found"} 1.0',
        'pivotgym_request_seconds_count{route="POST /verify"} 2.0',
        "pivotgym_sessions_live 1.0",
        "pivotgym_pivots 2.0",
    ):
        assert line in page.text


def test_openapi_lists_every_route_with_its_schemas(http: httpx.Client) -> None:
    document = http.get("/openapi.json").json()
    routes = {(method, path) for path, methods in document["paths"].items() for method in methods}
    assert routes == {
        ("get", "/health"),
        ("get", "/ready"),
        ("get", "/metadata"),
        ("get", "/metrics"),
        ("get", "/pivots"),
        ("post", "/pivots"),
        ("get", "/pivots/{pivot_id}"),
        ("post", "/pivots/prepare"),
        ("get", "/tasks"),
        ("post", "/sessions"),
        ("get", "/sessions/{session_id}"),
        ("delete", "/sessions/{session_id}"),
        ("post", "/sessions/{session_id}/step"),
        ("post", "/sessions/{session_id}/fork"),
        ("post", "/verify"),
        ("post", "/verify/batch"),
        ("post", "/reset"),
        ("post", "/step"),
        ("post", "/reward"),
        ("post", "/reward/{token}"),
        ("post", "/nemo_gym/verify"),
        ("get", "/openenv/health"),
        ("get", "/openenv/metadata"),
        ("get", "/openenv/schema"),
        ("get", "/openenv/openapi.json"),
        ("post", "/openenv/mcp"),
    }
    body = document["paths"]["/verify"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    name = body["$ref"].removeprefix("#/components/schemas/")
    assert set(document["components"]["schemas"][name]["properties"]) == {
        "pivot_id",
        "pivot",
        "action",
        "rule",
        "timeout_s",
    }


def test_every_reference_in_the_openapi_document_resolves(http: httpx.Client) -> None:
    text = http.get("/openapi.json").text
    schemas = http.get("/openapi.json").json()["components"]["schemas"]
    referred = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert referred <= set(schemas)


def test_documentation_page_is_served(http: httpx.Client) -> None:
    assert "POST /verify" in http.get("/docs").text
