import pytest

from pivotgym.envs.terminal.perturbing import Listed, looked_at, plan

STATE = {
    "/work/a.txt": "one\ntwo\nthree\n",
    "/work/data/n.csv": "name,age\nann,31\nbob,28\n",
    "/work/run.sh": "#!/bin/sh\necho 5\n",
    "/work/.bashrc": "alias l=ls\n",
    "/work/.git/config": "[core]\n",
}


def planned(seed=1, state=None):
    state = STATE if state is None else state
    folders = {"/".join(path.split("/")[:depth]) for path in state for depth in range(2, path.count("/") + 1)}
    listed = [Listed(path, False, 0o755 if path.endswith(".sh") else 0o644, len(text)) for path, text in state.items()]
    listed += [Listed(path, True, 0o755, 0) for path in sorted(folders)]
    return plan(listed, lambda path: state[path].encode(), seed)


def test_a_seed_always_plans_the_same():
    assert planned(1) == planned(1)


def test_seeds_plan_differently():
    assert planned(1) != planned(2)


@pytest.mark.parametrize("seed", range(1, 20))
def test_every_change_is_one(seed):
    assert all(write.content != STATE.get(write.path, "").encode() for write in planned(seed))


@pytest.mark.parametrize("seed", range(1, 20))
def test_what_a_session_needs_is_left_alone(seed):
    assert not [write.path for write in planned(seed) if ".bashrc" in write.path or "/.git" in write.path]


@pytest.mark.parametrize("seed", range(1, 20))
def test_scripts_keep_their_first_line(seed):
    scripts = [write.content for write in planned(seed) if write.path.endswith(".sh")]
    assert all(content.startswith(b"#!/bin/sh\n") for content in scripts)


def test_files_of_the_same_kind_are_added():
    added = {write.path for seed in range(1, 6) for write in planned(seed)} - STATE.keys()
    assert any(path.startswith("/work/a") and path.endswith(".txt") for path in added)


def test_files_are_added_in_sub_folders():
    added = {write.path for seed in range(1, 6) for write in planned(seed)} - STATE.keys()
    assert any(path.startswith("/work/data/") for path in added)


def test_what_a_file_tells_is_told_elsewhere_too():
    told = {content.encode() for content in STATE.values()}
    added = [write for seed in range(1, 9) for write in planned(seed) if write.path not in STATE and write.content]
    assert any(write.content in told for write in added)


def test_an_empty_folder_is_added():
    assert [write for write in planned() if write.content is None]


def test_modes_are_kept():
    assert all(write.mode == 0o755 for seed in range(1, 9) for write in planned(seed) if write.path.endswith(".sh"))


def test_binaries_are_left_alone():
    assert not [write for write in planned(state={"/work/x": "a\0b"}) if write.path == "/work/x"]


def test_an_empty_state_is_left_alone():
    assert plan([], lambda path: None, 1) == []


@pytest.mark.parametrize(
    ("roots", "cwd", "expected"),
    [
        (("/work",), "/work/src", ["/work"]),
        (("/",), "/app", ["/app"]),
        (("/usr", "/work"), "/", ["/work"]),
        (("/etc",), "/root", ["/root"]),
        (("/",), "/", []),
    ],
)
def test_only_the_tasks_folders_are_looked_at(roots, cwd, expected):
    assert looked_at(roots, cwd) == expected
