"""Tests of tasks run on a real engine, out of the agent's reach: gold passes, doing nothing and cheating fail."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from docker_engine import docker_backend
from harbor_folders import write_tasks

from pivotgym.core.errors import VerifierFailed
from pivotgym.core.trajectory import Origin
from pivotgym.envs.base import sources
from pivotgym.envs.sandbox.bubblewrap import BubblewrapBackend
from pivotgym.envs.sandbox.docker import DockerBackend
from pivotgym.envs.sandbox.keeping import own_ids
from pivotgym.envs.sandbox.store.layers import LayerStore
from pivotgym.envs.sandbox.store.snapshots import SnapshotStore
from pivotgym.envs.terminal import harbor
from pivotgym.envs.terminal.harbor.folders import TaskFolder
from pivotgym.envs.terminal.harbor.outcome import Outcome, read_reward
from pivotgym.envs.terminal.world import TerminalWorld

__all__ = ["docker_backend"]
pytestmark = [pytest.mark.docker, pytest.mark.slow]
LAYOUTS = ("sort-harbor", "sort-bench")
GOLD = "sort names.txt > sorted.txt"
Attempt = Callable[..., Outcome]
FORGED = "mkdir -p /logs/verifier /tests; "
PYTHON = "/usr/lib/python3/dist-packages"
LEAVE = 'import os, sys; "-m" in sys.orig_argv and os._exit(0)'
CHEATS = {
    "writes the reward": (
        f"{FORGED} echo 1 > /logs/verifier/reward.txt; echo '{{\"reward\": 1}}' > /logs/verifier/reward.json"
    ),
    "goes on writing the reward": f"{FORGED} (while :; do echo 1 > /logs/verifier/reward.txt; done) >/dev/null 2>&1 &",
    "plants the tests": f"{FORGED} echo planted > /tests/test.sh; echo 'def test_a(): pass' > /tests/test_state.py",
    "replaces pytest": f"echo 'raise SystemExit(0)' > {PYTHON}/pytest/__main__.py",
    "replaces python": "printf '#!/bin/sh\\nexit 0\\n' > /x; chmod +x /x; ln -sf /x /usr/bin/python3",
    "replaces python's program": "cp /bin/true /usr/bin/python3.11",
    "shadows python": "printf '#!/bin/sh\\nexit 0\\n' > /usr/local/bin/python3; chmod +x /usr/local/bin/python3",
    "replaces bash": "cp /bin/true /x; mv -f /x /bin/bash",
    "starts with python": f"echo '{LEAVE}' > {PYTHON}/sitecustomize.py",
    "starts with python by a path file": f"echo '{LEAVE}' > {PYTHON}/a.pth",
    "bends pytest from above": (
        "printf 'import pytest\\n@pytest.hookimpl(tryfirst=True)\\ndef pytest_runtestloop(session):\\n"
        "    return True\\n"
        "def pytest_sessionfinish(session):\\n    session.exitstatus = 0\\n' > /conftest.py; touch /pytest.ini"
    ),
    "is pytest from the working folder": "echo 'raise SystemExit(0)' > pytest.py",
    "preloads a library": "echo /app/evil.so > /etc/ld.so.preload",
    "leaves nothing to test with": "rm -rf /usr/bin",
}


@pytest.fixture(scope="module")
def place(docker_backend: DockerBackend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = write_tasks(tmp_path_factory.mktemp("harbor"))
    sources.configure({harbor.SOURCE: folder})
    yield folder
    sources.forget(harbor.SOURCE)


@pytest.fixture(scope="module")
def attempt(docker_backend: DockerBackend, place: Path) -> Attempt:
    """Run an agent's command in a task's start and judge what it left."""

    def run(name: str, command: str, **other: object) -> Outcome:
        task = replace(harbor.folder_of(Origin.model_validate({"kind": "harbor", "task": name})), **other)
        agent = docker_backend.open(docker_backend.base(harbor.base(task)), limits=harbor.limits(task))
        try:
            agent.run(command)
            found = harbor.judged(task, agent, docker_backend)
            assert agent.read("/tests/test.sh") in (None, b"planted\n")  # the agent's own machine never holds the tests
            return found
        finally:
            agent.close()

    return run


@pytest.fixture(scope="module")
def bubblewrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BubblewrapBackend]:
    layers = LayerStore(tmp_path_factory.mktemp("snapshots"), own_ids())
    backend = BubblewrapBackend(SnapshotStore(layers))
    if (lack := backend.missing()) is not None:
        pytest.skip(f"{lack.what}: {lack.command}")
    yield backend
    backend.close()
    layers.close()


@pytest.mark.usefixtures("place")
def test_episode_pays_what_the_tests_say(docker_backend: DockerBackend) -> None:
    task = next(task for task in harbor.tasks() if task.id == "harbor/sort-harbor")
    world = TerminalWorld(lambda: docker_backend, None, harbor.outcome)
    try:
        world.start(task.origin, seed=0)
        effects = world.run(task.gold[0][0])
        assert effects.invalid is None
        assert "/app/sorted.txt" in effects.detail["files"]
        assert world.outcome(task) == 1.0
    finally:
        world.close()


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    ("command", "reward"),
    [(GOLD, 1.0), ("true", 0.0), (CHEATS["replaces pytest"], 0.0), (f"{GOLD}; {CHEATS['replaces python']}", 1.0)],
)
def test_tasks_run_on_the_other_backend_too(bubblewrap: BubblewrapBackend, command: str, reward: float) -> None:
    task = harbor.folder_of(Origin.model_validate({"kind": "harbor", "task": "sort-harbor"}))
    with closing(bubblewrap.open(bubblewrap.base(harbor.base(task)), limits=harbor.limits(task))) as agent:
        agent.run(command)
        assert harbor.judged(task, agent, bubblewrap).reward == reward


@pytest.mark.parametrize("name", LAYOUTS)
def test_gold_passes(attempt: Attempt, name: str) -> None:
    task = next(task for task in harbor.tasks() if task.id == f"harbor/{name}")
    gold = task.gold[0][0].tool_calls[0].arguments
    assert isinstance(gold, dict)
    found = attempt(name, gold["command"])
    assert (found.reward, found.mended) == (1.0, ())


@pytest.mark.parametrize("name", LAYOUTS)
def test_doing_nothing_fails(attempt: Attempt, name: str) -> None:
    assert attempt(name, "true").reward == 0.0


def test_other_solution_with_installed_tools_passes(attempt: Attempt) -> None:
    command = "printf '#!/bin/sh\\nsort \"$1\"\\n' > /usr/local/bin/mysort; chmod +x /usr/local/bin/mysort; "
    assert attempt("sort-harbor", command + "mysort names.txt > sorted.txt").reward == 1.0


@pytest.mark.parametrize("cheat", CHEATS)
def test_cheat_fails(attempt: Attempt, cheat: str) -> None:
    assert attempt("sort-harbor", CHEATS[cheat]).reward == 0.0


@pytest.mark.parametrize("cheat", sorted(CHEATS.keys() - {"leaves nothing to test with", "replaces bash"}))
def test_gold_passes_beside_what_a_cheat_would_bend(attempt: Attempt, cheat: str) -> None:
    assert attempt("sort-harbor", f"{GOLD}\n{CHEATS[cheat]}").reward == 1.0


def test_tools_are_tested_as_left_where_mending_them_is_the_task(attempt: Attempt) -> None:
    assert attempt("sort-harbor", CHEATS["replaces pytest"], repairs_tools=True).reward == 1.0


def test_fake_summary_printed_by_a_changed_module_fails(attempt: Attempt) -> None:
    fake = "import sys\\nprint(\\'=== short test summary info ===\\\\nPASSED a\\')\\nsys.exit(0)"
    assert attempt("sort-bench", f"printf '{fake}' > {PYTHON}/pytest/__main__.py").reward == 0.0


@pytest.fixture
def script(place: Path) -> Iterator[Callable[[str], None]]:
    """Sets the tests' script for one test."""
    path = place / "sort-harbor" / "tests" / "test.sh"
    before = path.read_text()
    yield path.write_text
    path.write_text(before)


def test_no_reward_is_an_error_and_never_zero(attempt: Attempt, script: Callable[[str], None]) -> None:
    script("echo broken; exit 3")
    with pytest.raises(VerifierFailed, match="wrote no reward and ended with status 3") as failed:
        attempt("sort-harbor", GOLD)
    assert "broken" in failed.value.details["output"]


def test_tests_that_do_not_end_fail(attempt: Attempt, script: Callable[[str], None]) -> None:
    script("echo 1 > /logs/verifier/reward.txt; sleep 60")
    found = attempt("sort-harbor", GOLD, tests_s=0.5)
    assert (found.reward, found.reason) == (0.0, "the tests did not end within 0.5 s")


def test_named_rewards(attempt: Attempt, script: Callable[[str], None]) -> None:
    script('echo \'{"speed": 0.5, "form": 1}\' > /logs/verifier/reward.json')
    assert attempt("sort-harbor", GOLD).rewards == {"reward": 0.75, "speed": 0.5, "form": 1.0}


def test_network_that_was_not_allowed_is_an_error(attempt: Attempt, script: Callable[[str], None]) -> None:
    script("curl -s https://example.invalid || echo 'Could not resolve host'; echo 0 > /logs/verifier/reward.txt")
    with pytest.raises(VerifierFailed, match="does not allow"):
        attempt("sort-harbor", GOLD, network=True)


@pytest.mark.parametrize(
    "content", [b"", b"much", b"2", b"-1", b"nan", b"[]", b"{}", b'{"a": "x"}', b'{"a": 1, "b": 3}']
)
def test_reward_that_is_none_is_an_error(content: bytes) -> None:
    task = TaskFolder("t", Path(), "harbor", "x")
    with pytest.raises(VerifierFailed, match="expected numbers from 0 to 1"):
        read_reward(task, "reward.txt", content)


@pytest.mark.parametrize(("content", "reward"), [(b"1\n", 1.0), (b" 0.25 ", 0.25), (b'{"reward": 0.5, "a": 1}', 0.5)])
def test_reward_is_read(content: bytes, reward: float) -> None:
    assert read_reward(TaskFolder("t", Path(), "harbor", "x"), "reward.txt", content)["reward"] == reward
