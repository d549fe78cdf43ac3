"""Which of an agent's changes would stand in for what tests run with."""

import pytest

from pivotgym.envs.sandbox.contract import Change, Entry
from pivotgym.envs.terminal.harbor.tooling import tampered

OLD, NEW, LINK = Entry("file", 0o755, digest="old"), Entry("file", 0o755, digest="new"), Entry("link", digest="/app/x")
FOLDER = Entry("dir", 0o755)
PATH = "/opt/venv/bin:/usr/local/bin:/usr/bin:/bin"


def counts(path: str, before: Entry | None, after: Entry | None) -> bool:
    return bool(tampered({path: Change(before, after)}, "/app", PATH))


@pytest.mark.parametrize(
    "path",
    [
        "/usr/bin/python3.11", "/bin", "/usr/lib/x86_64-linux-gnu/libc.so.6", "/usr/lib/python3.11/json/__init__.py",
        "/opt/venv/bin/pytest", "/opt/venv/lib/python3.12/site-packages/_pytest/runner.py", "/etc/ld.so.preload",
    ],
)  # fmt: skip
def test_replaced_tool_counts(path: str) -> None:
    assert counts(path, OLD, NEW)
    assert counts(path, OLD, LINK)


@pytest.mark.parametrize(
    "path",
    [
        "/usr/local/bin/pytest", "/opt/venv/bin/python3", "/usr/bin/grep", "/bin/sh",
        "/usr/lib/python3/dist-packages/sitecustomize.py", "/opt/venv/lib/python3.12/site-packages/pytest",
        "/opt/venv/lib/python3.12/site-packages/a.pth", "/app/pytest.py", "/app/_pytest", "/conftest.py", "/pytest.ini",
        "/tests", "/root/.config/pip/pip.conf", "/root/.cache/uv/x", "/root/.local/bin/uv", "/etc/ld.so.preload",
        "/opt/venv/lib/python3.12/site-packages/evil-1.0.dist-info/entry_points.txt",
    ],
)  # fmt: skip
def test_added_stand_in_counts(path: str) -> None:
    assert counts(path, None, NEW)


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("/usr/bin/python3", OLD, None),  # the agent's own loss
        ("/usr/bin", FOLDER, Entry("dir", 0o700)),
        ("/usr/bin/ls", OLD, Entry("file", 0o4755, digest="old")),
        ("/usr/local/bin/mytool", None, NEW),
        ("/usr/bin/gcc", None, NEW),
        ("/opt/venv/lib/python3.12/site-packages/numpy", None, FOLDER),
        ("/app/main.py", OLD, NEW),
        ("/app/tests/conftest.py", None, NEW),
        ("/app/pyproject.toml", None, NEW),
        ("/etc/nginx/nginx.conf", OLD, NEW),
        ("/home/user/bin/python3", None, NEW),
    ],
)
def test_the_task_s_own_work_does_not_count(path: str, before: Entry | None, after: Entry | None) -> None:
    assert not counts(path, before, after)
