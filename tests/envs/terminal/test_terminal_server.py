"""Sessions and verdicts at a terminal pivot through a real server."""

import httpx
import pytest

from pivotgym.core.formats.terminus import Answer, Keystrokes, write_terminus
from pivotgym.servers.serve import BackgroundServer
from pivotgym.servers.settings import Settings

FILES = {"/work/a.txt": "one\ntwo\n", "/work/b.txt": "three\n"}
TOOL = {
    "type": "function",
    "function": {
        "name": "bash",
        "description": "Run a shell command.",
        "parameters": {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]},
    },
}


def said(command: str) -> dict:
    call = {"id": "c", "type": "function", "function": {"name": "bash", "arguments": {"command": command}}}
    return {"role": "assistant", "content": "", "tool_calls": [call]}


def action(command: str) -> dict:
    return {"tool_calls": [{"name": "bash", "arguments": {"command": command}}]}


def pivot(reference: str, name: str = "run:1") -> dict:
    messages = [
        {"role": "user", "content": "Look around."},
        said("cd /work && export COLOUR=red"),
        {"role": "tool", "tool_call_id": "c", "content": ""},
    ]
    origin = {"kind": "sandbox", "files": FILES}
    return {
        "id": name, "domain": "terminal", "messages": messages, "tools": [TOOL], "origin": origin,
        "reference": action(reference),
    }  # fmt: skip


@pytest.fixture(scope="module")
def http(terminals):
    with (
        BackgroundServer(terminals, settings=Settings(threads=4)) as server,
        httpx.Client(base_url=server.url, trust_env=False, timeout=60) as client,
    ):
        yield client


def verified(http, reference: str, candidate: str) -> dict:
    answer = http.post("/verify", json={"pivot": pivot(reference), "action": action(candidate)})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("reference", "candidate", "reward"),
    [
        ("sed -i s/one/1/ a.txt", "perl -pi -e s/one/1/ /work/a.txt", 1.0),
        ("sed -i s/one/1/ a.txt", "sed -i s/one/2/ a.txt", 0.0),
        ("cat b.txt", "tail -n +1 b.txt", 1.0),
        ("cat b.txt", "cat a.txt", 0.0),
        ("cat a.txt", "head -2 a.txt", 0.0),  # the same here, not where the file is longer
        ("cd /", "cd ..", 1.0),
        ("cd /", "true", 0.0),
        ("echo $COLOUR > c.txt", "printf 'red\\n' > c.txt", 1.0),
    ],
)
def test_verdicts_are_found_by_running(http, reference, candidate, reward):
    verdict = verified(http, reference, candidate)
    assert (verdict["reward"], verdict["executed"]) == (reward, True), verdict


def test_an_invalid_action_is_the_policys_fault(http):
    answer = http.post(
        "/verify", json={"pivot": pivot("ls"), "action": {"tool_calls": [{"name": "bash", "arguments": {}}]}}
    )
    assert answer.json()["outcome"] == "invalid"


def test_a_batch_keeps_its_order(http):
    items = [{"pivot": pivot("cat b.txt"), "action": action(one)} for one in ("cat b.txt", "cat a.txt", "cat ./b.txt")]
    answer = http.post("/verify/batch", json={"items": items})
    assert [one["reward"] for one in answer.json()["results"]] == [1.0, 0.0, 1.0]


def test_a_session_begins_in_the_pivots_state(http):
    made = http.post("/sessions", json={"pivot": pivot("cat b.txt")}).json()
    step = http.post(f"/sessions/{made['session_id']}/step", json={"action": action("cat $PWD/b.txt")}).json()
    assert (step["reward"], step["terminated"]) == (1.0, True)


def test_a_fork_does_not_see_the_other(http):
    made = http.post("/sessions", json={"pivot": pivot("touch x")}).json()
    fork = http.post(f"/sessions/{made['session_id']}/fork", json={}).json()
    rewards = [
        http.post(f"/sessions/{one['session_id']}/step", json={"action": action("> x")}).json()["reward"]
        for one in (made, fork)
    ]
    assert rewards == [1.0, 1.0]


def test_a_replay_that_differs_is_refused_for_good(http):
    bad = pivot("ls", "bad:1")
    bad["messages"][2]["content"] = "other\n"
    answer = http.post("/verify", json={"pivot": bad, "action": action("ls -a")})
    assert (answer.status_code, answer.json()["code"], answer.json()["retryable"]) == (422, "pivot_refused", False)


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ({"kind": "filesystem", "fixture": "../x.tar"}, 422),
        ({"kind": "image", "image": "debian:12"}, 404),
        ({"kind": "sandbox", "files": {"/../etc/x": ""}}, 422),
    ],
)
def test_a_client_cannot_name_what_is_not_configured(http, origin, status):
    answer = http.post("/verify", json={"pivot": {**pivot("ls"), "origin": origin}, "action": action("pwd; ls")})
    assert answer.status_code == status, answer.text


def test_keys_are_compared_by_what_they_do(http):
    def keys(text: str) -> dict:
        return {"content": write_terminus(Answer((Keystrokes(text, 5),)))}

    body = {**pivot("ls"), "tools": [], "reference": keys("mkdir made\n")}
    answer = http.post("/verify", json={"pivot": body, "action": keys("mkdir -p /work/made\n")})
    assert (answer.json()["reward"], answer.json()["executed"]) == (1.0, True), answer.text


def test_metadata_says_what_is_not_restored(http):
    about = http.get("/metadata").json()
    assert "running processes" in about["description"]
    assert "running processes" in about["details"]["not_restored"]


def test_metadata_says_what_the_backend_can_do(http):
    details = http.get("/metadata").json()["details"]
    assert details["backend"] == "bubblewrap"
    assert details["capabilities"]["fork"] == "layers"
    assert details["sandbox_limits"]["wall_s"] == 30.0


def test_a_message_is_not_the_experts_action(http):
    answer = http.post("/verify", json={"pivot": pivot("ls"), "action": {"content": "Done."}})
    assert (answer.json()["outcome"], answer.json()["reward"]) == ("different", 0.0), answer.text


def test_an_action_is_not_the_experts_message(http):
    body = {**pivot("ls"), "reference": {"content": "All files are in place."}}
    answer = http.post("/verify", json={"pivot": body, "action": action("ls")})
    assert (answer.json()["outcome"], answer.json()["reward"]) == ("different", 0.0), answer.text
