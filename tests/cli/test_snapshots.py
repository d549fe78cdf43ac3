import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pivotgym.cli.main import run_app
from pivotgym.envs.sandbox.contract import ShellState, Snapshot
from pivotgym.envs.sandbox.keeping import own_ids
from pivotgym.envs.sandbox.store.changes import digest_of
from pivotgym.envs.sandbox.store.layers import LayerStore
from pivotgym.envs.sandbox.store.snapshots import SnapshotStore


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with a state after no step and one after a step, which changed no file."""
    monkeypatch.setenv("PIVOTGYM_SNAPSHOTS", str(tmp_path / "store"))
    layers = LayerStore(tmp_path / "store", own_ids())
    store = SnapshotStore(layers)
    staged = layers.stage()
    (staged.tree / "file").write_text("x" * 5000)
    stack = (layers.commit(staged, {}, (), identity="base"),)
    for turn in (0, 1):
        shell = ShellState(cwd=f"/{turn}")
        store.put(f"key{turn}", Snapshot("bubblewrap", stack, shell, digest_of("base", {}, shell)), turn=turn)
    layers.close()
    return layers.root


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The real command line, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", "from pivotgym.cli.main import console; console()", "snapshots", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
    )


def damage(folder: Path) -> None:
    (file,) = folder.glob("layers/*/tree/file")
    file.write_text("y")


def test_ls_shows_each_state(folder, capsys):
    assert run_app(["snapshots", "ls"]) == 0
    shown = capsys.readouterr().out
    row = next(line for line in shown.splitlines() if "key0" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")][:7] == [
        "key0",
        "bubblewrap",
        "0",
        "1",
        "8.19 kB",
        "8.19 kB",
        "1",
    ]
    assert "2 snapshots on 1 layers, 8.19 kB of 20 GB" in shown


def test_ls_gives_json(folder):
    found = json.loads(command("ls", "--json").stdout)
    assert found["layers"] == 1
    rows = [[row[name] for name in ("key", "backend", "turn", "layers", "others", "held")] for row in found["rows"]]
    assert sorted(rows) == [["key0", "bubblewrap", 0, 1, 1, False], ["key1", "bubblewrap", 1, 1, 1, False]]


def test_a_sound_store_is_called_sound(folder):
    done = command("verify")
    assert (done.returncode, done.stdout) == (0, "1 layers and 2 snapshots read, 0 problems\n")


def test_damage_is_named_with_what_mends_it(folder):
    damage(folder)
    done = command("verify")
    assert done.returncode == 3
    assert "its 1 files are not those that were committed" in done.stdout
    assert "fix: pivotgym snapshots verify --remove" in done.stderr


def test_damage_is_removed(folder, capsys):
    damage(folder)
    assert command("verify", "--remove", "--json").returncode == 0
    assert json.loads(command("verify", "--json").stdout) == {
        "layers": 0,
        "snapshots": 0,
        "problems": [],
        "removed": False,
    }


def test_gc_keeps_what_fits(folder):
    assert json.loads(command("gc", "--json").stdout)["snapshots"] == 2


def test_gc_drops_all_that_nobody_uses(folder):
    done = command("gc", "--all")
    assert (done.returncode, done.stdout) == (0, "8.19 kB freed; 0 snapshots with 0 B stay\n")
    assert os.listdir(folder / "layers") == []


def test_gc_keeps_what_another_process_uses(folder):
    store = SnapshotStore(LayerStore(folder, own_ids()))
    held = store.get("key0")
    assert json.loads(command("gc", "--max-gb", "0", "--json").stdout)["snapshots"] == 2
    assert held is not None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--max-gb", "-1"], "gc: expected --max-gb of 0 or more, got --max-gb -1"),
        (["--max-gb", "1", "--all"], "gc: expected one of --max-gb and --all, got --max-gb 1 --all"),
    ],
)
def test_gc_refuses_what_makes_no_sense(folder, capsys, options, message):
    assert run_app(["snapshots", "gc", *options]) == 3
    assert message in capsys.readouterr().err
