"""Who may see the page, which forms it takes, and what browsers may do with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from gateways import HTTP, RunningGateway
from run_folders import profiled, write_run

from pivotgym.servers.gateway.web.door import cookie_of

TOKEN = "token-of-clients"
PIVOT = "/ui/runs/demo/pivots/toy%2Fa:0"
VIEWS = ["/ui", "/ui/runs", "/ui/runs/demo", "/ui/runs/demo/pivots", PIVOT]
ELSEWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder / "demo", [profiled(0)])
    return folder


@pytest.fixture(scope="module")
def url(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    file = tmp_path_factory.mktemp("tokens") / "token"
    file.write_text(TOKEN)
    with RunningGateway(f"toy={ELSEWHERE}", wait=False, runs=runs, token_file=file) as running:
        yield running.url


@pytest.fixture
def browser(url: str) -> Iterator[httpx.Client]:
    """A client that keeps cookies and follows nothing."""
    with httpx.Client(base_url=url, trust_env=False, verify=False, headers={"origin": url}) as client:
        yield client


def sign_in(browser: httpx.Client, token: str = TOKEN, after: str = "/ui") -> httpx.Response:
    return browser.post("/ui/sign-in", data={"token": token, "after": after})


@pytest.mark.parametrize("path", [*VIEWS, "/ui/runs/demo/report", "/ui/nothing"])
@pytest.mark.parametrize("headers", [{}, {"cookie": f"pivotgym={TOKEN}"}, {"cookie": f"pivotgym={cookie_of('x')}"}])
def test_without_the_token_nothing_is_told(url: str, path: str, headers: dict[str, str]) -> None:
    page = HTTP.get(url + path, headers=headers)
    twin = HTTP.get(f"{url}{path}.json", headers=headers)

    assert (page.status_code, "Sign in" in page.text, "paint it red" in page.text) == (401, True, False)
    assert (twin.status_code, twin.json()["code"]) == (401, "unauthorized")


def test_who_signs_in_sees_every_view(browser: httpx.Client) -> None:
    answer = sign_in(browser)

    assert (answer.status_code, answer.headers["location"]) == (303, "/ui")
    assert {browser.get(path).status_code for path in [*VIEWS, *(f"{path}.json" for path in VIEWS)]} == {200}


def test_cookie_is_for_the_page_alone(browser: httpx.Client) -> None:
    set_cookie = sign_in(browser).headers["set-cookie"]

    assert {"HttpOnly", "SameSite=Strict"} <= set(set_cookie.split("; "))
    assert TOKEN not in set_cookie
    cookie = {"cookie": set_cookie.partition(";")[0]}
    assert browser.get("/toy/pivots", headers=cookie).status_code == 401
    assert browser.get("/metadata", headers=cookie).status_code == 401


def test_cookies_of_others_on_this_host_do_no_harm(browser: httpx.Client) -> None:
    ours = sign_in(browser).headers["set-cookie"].partition(";")[0]
    browser.cookies.clear()

    assert browser.get("/ui.json", headers={"cookie": f'a={{"b": 1}}; =; ;;{ours}; c="'}).status_code == 200


def test_bearer_token_opens_the_twins(url: str) -> None:
    headers = {"authorization": f"Bearer {TOKEN}"}

    assert HTTP.get(f"{url}/ui.json", headers=headers).status_code == 200


def test_another_token_is_refused(browser: httpx.Client) -> None:
    answer = sign_in(browser, "another")

    assert (answer.status_code, "set-cookie" in answer.headers) == (401, False)
    assert "another token" in answer.text
    assert 'aria-invalid="true"' in answer.text


def test_signing_out_ends_it(browser: httpx.Client) -> None:
    sign_in(browser)
    before = browser.get("/ui").status_code
    browser.post("/ui/sign-out")

    assert (before, browser.get("/ui").status_code) == (200, 401)


@pytest.mark.parametrize(
    ("after", "goes"),
    [
        ("/ui/runs/demo?page=2", "/ui/runs/demo?page=2"),
        ("https://elsewhere.test/ui/", "/ui"),
        ("//elsewhere.test/ui/", "/ui"),
        ("/ui/\\elsewhere", "/ui"),
        ("/ui/x\r\nset-cookie: a=b", "/ui"),
        ("/metadata", "/ui"),
    ],
)
def test_signing_in_leads_back_to_the_page_and_nowhere_else(browser: httpx.Client, after: str, goes: str) -> None:
    assert sign_in(browser, after=after).headers["location"] == goes


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://elsewhere.test"},
        {"origin": "null"},
        {"origin": "http://[broken"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
@pytest.mark.parametrize("path", [PIVOT, f"{PIVOT}.json", "/ui/sign-in", "/ui/sign-out"])
def test_form_of_another_site_is_refused(browser: httpx.Client, path: str, headers: dict[str, str]) -> None:
    sign_in(browser)
    answer = browser.post(path, data={"text": "x", "token": TOKEN}, headers=headers)

    assert answer.status_code == 403
    assert "origin: expected that of this server" in (
        answer.json()["message"] if path.endswith("json") else answer.text
    )


def test_form_of_another_site_is_refused_where_there_is_no_token(runs: Path) -> None:
    with RunningGateway(f"toy={ELSEWHERE}", wait=False, runs=runs) as running:
        headers = {"origin": "http://elsewhere.test"}
        answer = HTTP.post(f"{running.url}{PIVOT}", data={"text": "x"}, headers=headers)
        nobody = HTTP.get(f"{running.url}/ui/sign-in")

    assert answer.status_code == 403
    assert (nobody.status_code, nobody.headers["location"]) == (303, "/ui")


@pytest.mark.parametrize("path", [*VIEWS, "/ui.json", "/ui/nothing", "/ui/static/page.js", "/ui/sign-in"])
def test_every_answer_says_what_browsers_may_do(browser: httpx.Client, path: str) -> None:
    headers = browser.get(path).headers

    assert "script-src 'self'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")


@pytest.mark.parametrize("name", ["page.css", "page.js", "mark.svg"])
def test_pages_own_files_are_open(url: str, name: str) -> None:
    assert HTTP.get(f"{url}/ui/static/{name}").status_code == 200


@pytest.mark.parametrize("name", ["", "..", "../door.py", "..%2fdoor.py", "%2e%2e/door.py", "/etc/passwd", "page.css/"])
def test_no_other_file_is_served(url: str, name: str) -> None:
    answer = HTTP.get(f"{url}/ui/static/{name}")

    assert answer.status_code in (401, 404)
    assert "import" not in answer.text


def test_form_that_is_too_large_is_refused(browser: httpx.Client) -> None:
    assert sign_in(browser, "x" * 100_000).status_code == 413


def test_form_with_too_many_fields_is_refused(browser: httpx.Client) -> None:
    many = {f"field{number}": "x" for number in range(50)}

    assert browser.post("/ui/sign-in", data=many).status_code == 422
