"""The log as JSON lines."""

import json
import logging
import subprocess
import sys

import pytest

from pivotgym.servers.logs import JsonLines


def record(**fields):
    return logging.makeLogRecord({"name": "pivotgym", "levelno": 30, "levelname": "WARNING", **fields})


def run(*arguments, **environment):
    code = "from pivotgym.cli.main import console; console()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=environment, check=False
    )


def test_record_is_one_line():
    line = JsonLines().format(record(msg="first\nsecond %s", args=("é",)))

    assert "\n" not in line
    said = json.loads(line)
    assert said.pop("time").endswith("+00:00")
    assert said == {"level": "warning", "logger": "pivotgym", "message": "first\nsecond é"}


def test_trace_of_a_failure_is_part_of_its_record():
    try:
        raise ValueError("broken")
    except ValueError:
        line = JsonLines().format(record(msg="failed", exc_info=sys.exc_info()))

    assert json.loads(line)["trace"].endswith("ValueError: broken")


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [(["--log-format", "json"], {}), ([], {"PIVOTGYM_LOG_FORMAT": "json"})],
    ids=["option", "variable"],
)
def test_error_of_a_command_is_a_json_line(arguments, environment):
    done = run(*arguments, "serve", "nowhere:at_all", **environment)

    (line,) = done.stderr.splitlines()
    assert done.returncode == 3
    assert json.loads(line)["level"] == "error"


def test_unknown_format_is_refused_by_name():
    done = run("--log-format", "xml", "fetch")

    assert done.returncode == 2
    assert "--log-format" in done.stderr
