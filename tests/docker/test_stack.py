"""The stack as a user has it: built, brought up, used, broken, scaled, taken down. Tests follow one another."""

import json
import re
import sys
from collections import Counter
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from stacks import Stack, eventually, run

from pivotgym.core.errors import InfrastructureError, NotFound, Warming
from pivotgym.core.trajectory import Pivot

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(1800)]
DOMAINS = {"tool_use", "terminal", "swe", "browsing"}
SERVERS = ("tool-use", "terminal", "swe", "browsing", "gateway", "policy")


def bash(command):
    call = {"id": "c", "type": "function", "function": {"name": "bash", "arguments": {"command": command}}}
    return {"role": "assistant", "tool_calls": [call]}


def lines_of(stack, name):
    shown = stack.in_("gateway", "sh", "-c", f"cat /runs/demo/{name} 2>/dev/null || true")
    return shown.splitlines()


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """Up, with the main job begun."""
    made = Stack(tmp_path_factory.mktemp("checkout"))
    try:
        made.do("build", "-q")
        made.do("up", "-d")
        yield made
    finally:
        made.close()


def test_every_server_becomes_healthy(stack):
    for service in SERVERS:
        eventually(lambda service=service: stack.healthy(service))

    assert set(httpx.get(f"{stack.url}/metadata", headers=bearer(stack)).json()["domains"]) == DOMAINS


def bearer(stack):
    return {"authorization": f"Bearer {stack.token()}"}


def test_nothing_is_answered_without_the_token(stack):
    assert httpx.get(f"{stack.url}/metadata").status_code == 401


def test_token_is_in_no_setting_no_log_no_command_line_and_no_image(stack):
    token = stack.token()
    shown = []
    for container in stack.containers():
        facts = stack.facts(container)
        shown += [json.dumps(facts), stack.log(container), run("docker", "history", "--no-trunc", facts["Image"])]
        if facts["State"]["Running"]:
            shown.append(run("docker", "top", container, "-eo", "pid,args"))

    assert token not in "".join(shown)


def test_only_sandboxes_have_capabilities(stack):
    granted = {name for name in SERVERS if stack.facts(stack.containers(name)[0])["HostConfig"]["CapAdd"]}

    assert granted == {"terminal", "swe"}


@pytest.mark.parametrize("name", SERVERS)
def test_nothing_serves_as_root(stack, name):
    running = run("docker", "top", stack.containers(name)[0], "-eo", "pid,uid,args").splitlines()

    serving = [
        line.split()[1]
        for line in running
        if re.search(r"\bpivotgym (serve|gateway|policy)\b", line) and "init" not in line
    ]
    assert serving
    assert set(serving) == {"10001"}


def test_gateway_alone_is_published_and_on_loopback(stack):
    published = {}
    for name in SERVERS:
        ports = stack.facts(stack.containers(name)[0])["NetworkSettings"]["Ports"]
        published[name] = [place["HostIp"] for places in ports.values() for place in places or ()]

    assert {name: hosts for name, hosts in published.items() if hosts} == {"gateway": ["127.0.0.1"]}


def test_sandbox_in_a_container_has_users_and_forks(stack):
    with stack.client("terminal") as client:
        assert client.metadata()["details"]["capabilities"]["users"]
        with client.session(task_id="logs/0") as session:
            session.step(bash("echo here > /tmp/mark"))
            twin = session.fork()
            assert "here" in twin.step(bash("cat /tmp/mark")).observation


def test_page_in_a_container_opens_in_chromium(stack):
    with stack.client("browsing") as client:
        task = next(task["id"] for task in client.tasks() if task["id"].startswith("shop/"))
        with client.session(task_id=task) as session:
            assert session.observation


def test_main_job_that_is_killed_goes_on_and_ends_well(stack):
    (trainer,) = stack.containers("trainer")
    eventually(lambda: len(lines_of(stack, "stages.jsonl")) >= 4)
    before = lines_of(stack, "stages.jsonl")

    stack.crash(trainer)

    eventually(lambda: stack.facts(trainer)["State"]["Status"] == "exited", within_s=900)
    assert stack.facts(trainer)["State"]["ExitCode"] == 0
    stages = lines_of(stack, "stages.jsonl")
    assert stages[: len(before)] == before
    assert [json.loads(stage)["stage"] for stage in stages][-1] == "evaluate grpo"
    assert lines_of(stack, "report.html")


def test_policy_serves_the_newest_checkpoint_of_the_main_job(stack):
    asked = (
        "import json, urllib.request as u; token = open('/run/pivotgym/token').read(); "
        "r = u.Request('http://127.0.0.1:8001/v1/completions', headers={'authorization': 'Bearer ' + token, "
        "'content-type': 'application/json'}, "
        "data=json.dumps({'model': u.json_name, 'prompt': 'ls', 'max_tokens': 2}).encode()); "
        "print(u.urlopen(r).read().decode())"
    ).replace("u.json_name", "'smollm2-135m-instruct'")

    answer = json.loads(stack.in_("policy", "python", "-c", asked))

    assert not answer["system_fingerprint"].startswith("start")


def test_logs_are_json_lines(stack):
    for name in (*SERVERS, "trainer", "data", "model"):
        container = stack.containers(name)[0]
        for line in stack.log(container).splitlines():
            assert set(json.loads(line)) >= {"time", "level", "message"}, (name, line)


def test_server_that_broke_comes_back(stack):
    pivot = Pivot.model_validate_json(lines_of(stack, "pivots.jsonl")[0])
    with stack.client("tool_use") as client:
        assert client.verify(pivot, pivot.reference).reward == 1.0

        stack.crash(stack.containers("tool-use")[0])

        assert eventually(lambda: answered(lambda: client.verify(pivot, pivot.reference))).reward == 1.0


def answered(call):
    """What a call returns; `None` where it fails in a way that may pass."""
    try:
        return call()
    except InfrastructureError:
        return None


def test_gateway_that_broke_comes_back_with_its_sessions(stack):
    with stack.client("terminal") as client, client.session(task_id="logs/0") as session:
        session.step(bash("echo kept > /tmp/mark"))

        stack.crash(stack.containers("gateway")[0])

        eventually(lambda: stack.healthy("gateway"))
        assert "kept" in session.step(bash("cat /tmp/mark")).observation


def test_sessions_stick_to_their_server_and_end_with_it(stack):
    stack.do("up", "-d", "--no-build", "--no-recreate", "--scale", "terminal=3", "terminal")
    eventually(lambda: len(stack.containers("terminal")) == 3 and stack.healthy("terminal"))
    with stack.client("terminal") as client:
        eventually(lambda: servers_of(stack) == {"ready": 3})
        sessions = [client.session(task_id="logs/0") for _ in range(12)]
        marks = Counter(session.id.partition(".")[0] for session in sessions)
        assert len(marks) == 3
        for number, session in enumerate(sessions):
            session.step(bash(f"echo mine {number} > /tmp/mark"))
        for number, session in enumerate(sessions):
            assert f"mine {number}" in session.step(bash("cat /tmp/mark")).observation

        run("docker", "kill", stack.containers("terminal")[0])

        lost = [session for session in sessions if ended(session)]
        assert len(lost) in marks.values()
        assert client.session(task_id="logs/0").step(bash("echo on")).observation


def servers_of(stack):
    """How many servers of terminal the gateway has, by their state."""
    domains = httpx.get(f"{stack.url}/metadata", headers=bearer(stack)).json()["domains"]
    return Counter(server["state"] for server in domains["terminal"]["servers"])


def ended(session):
    try:
        session.step(bash("true"))
    except (NotFound, Warming):
        return True
    return False


def test_nothing_is_left_behind(stack):
    stack.do("down", "-v", "-t", "5")

    assert not stack.left()
