"""Task folders of both layouts are read; what is missing or not supported is named."""

from pathlib import Path

import pytest
from harbor_folders import TOML, harbor_files, terminal_bench_files, write

from pivotgym.core.errors import InputError, MissingDependency, NotFound
from pivotgym.core.trajectory import Origin
from pivotgym.envs.base import sources
from pivotgym.envs.terminal import harbor
from pivotgym.envs.terminal.harbor.folders import read_folder, read_folders


@pytest.fixture
def place(tmp_path: Path) -> Path:
    write(tmp_path / "one" / "sort-harbor", harbor_files())
    write(tmp_path / "sort-bench", terminal_bench_files())
    return tmp_path


def test_harbor_task(place: Path) -> None:
    task = read_folder(place / "one" / "sort-harbor")
    assert task.instruction == "Sort the names in names.txt into sorted.txt.\n"
    assert (task.memory_mb, task.storage_mb, task.tests_s, task.agent_s) == (512, 256, 60.0, 120.0)
    assert (task.network, task.layout, task.metadata) == (False, "harbor", {"difficulty": "easy"})
    assert sorted(task.tests()) == ["test.sh", "test_state.py"]


def test_terminal_bench_task(place: Path) -> None:
    task = read_folder(place / "sort-bench")
    assert task.instruction == "Sort the names in names.txt into sorted.txt.\n"
    assert (task.tests_s, task.agent_s, task.network, task.layout) == (60.0, 120.0, True, "terminal-bench")
    assert sorted(task.tests()) == ["run-tests.sh", "test_outputs.py"]
    assert task.solution is not None


def test_tasks_are_found_at_any_depth(place: Path) -> None:
    found, refused = read_folders(place)
    assert ([task.name for task in found], refused) == (["sort-harbor", "sort-bench"], {})


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"task.toml": "["}, "cannot be read"),
        ({"task.toml": TOML.replace("60.0", "-1")}, "timeout_sec: expected seconds greater than 0, got -1"),
        ({"task.toml": TOML.replace('"512M"', '"much"')}, "memory: expected a size in MiB or such as '2G', got 'much'"),
        ({"task.toml": "environment = 1"}, "environment: expected a table, got 1"),
        ({"task.toml": "[[steps]]\nname = 'a'"}, "needs several steps, which is not supported"),
        ({"task.toml": "[verifier]\nenvironment_mode = 'separate'"}, "needs a verifier in its own image"),
        ({"task.toml": "[environment]\nos = 'windows'"}, "needs another system than Linux"),
        ({"environment/docker-compose.yaml": "services: {main: {}, db: {}}"}, "needs several containers"),
        ({"environment/docker-compose.yaml": "- 1"}, "docker-compose.yaml: cannot be read"),
        ({"instruction.md": "# canary\n \n"}, "the instruction is empty"),
    ],
)
def test_harbor_task_that_cannot_be_run(place: Path, files: dict[str, str], message: str) -> None:
    folder = write(place / "one" / "sort-harbor", files)
    with pytest.raises(InputError, match=message):
        read_folder(folder)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"task.yaml": "- 1"}, "expected task.yaml to hold fields, got list"),
        ({"task.yaml": "a: ["}, "cannot be read"),
        ({"task.yaml": "instruction: x\nparser_name: swelancer"}, "expected the parser 'pytest', got 'swelancer'"),
        ({"docker-compose.yaml": "services: {client: {}, db: {}}"}, "needs several containers"),
    ],
)
def test_terminal_bench_task_that_cannot_be_run(place: Path, files: dict[str, str], message: str) -> None:
    folder = write(place / "sort-bench", files)
    with pytest.raises(InputError, match=message):
        read_folder(folder)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("tests/test.sh", "expected the tests' script tests/test.sh"),
        ("environment/Dockerfile", "expected a Dockerfile"),
    ],
)
def test_missing_file_is_named(place: Path, missing: str, message: str) -> None:
    (place / "one" / "sort-harbor" / missing).unlink()
    with pytest.raises(InputError, match=message):
        read_folder(place / "one" / "sort-harbor")


def test_bad_task_leaves_the_others(place: Path) -> None:
    write(place / "broken", {"task.toml": "["})
    write(place / "two" / "sort-harbor", harbor_files())
    found, refused = read_folders(place)
    assert [task.name for task in found] == ["sort-harbor", "sort-bench"]
    assert sorted(refused) == ["broken", "sort-harbor"]
    assert "two folders are called" in refused["sort-harbor"]


def test_start_changes_with_its_content_only(place: Path) -> None:
    folder = place / "one" / "sort-harbor"
    before = read_folder(folder).digest()
    write(folder, {"tests/test.sh": "other", "environment/.keep": ""})
    after = read_folder(folder).digest()
    write(folder, {"instruction.md": "other"})
    assert before != after == read_folder(folder).digest()


@pytest.fixture
def source(place: Path) -> object:
    sources.configure({harbor.SOURCE: place})
    yield
    sources.forget(harbor.SOURCE)


@pytest.mark.usefixtures("source")
def test_tasks_of_the_source_have_prompt_tool_and_gold() -> None:
    tasks = {task.id: task for task in harbor.tasks()}
    assert sorted(tasks) == ["harbor/sort-bench", "harbor/sort-harbor"]
    task = tasks["harbor/sort-harbor"]
    assert task.origin == Origin.model_validate({"kind": "harbor", "task": "sort-harbor"})
    assert task.messages[-1].text == "Sort the names in names.txt into sorted.txt.\n"
    assert "sort /app/names.txt" in task.gold[0][0].tool_calls[0].arguments["command"]
    assert harbor.refused() == {}


@pytest.mark.usefixtures("source")
def test_bench_tasks_hidden_from_nobody_but_by_name() -> None:
    assert harbor.folder_of(Origin.model_validate({"kind": "harbor", "task": "sort-bench"})).name == "sort-bench"


@pytest.mark.usefixtures("source")
@pytest.mark.parametrize("name", ["../sort-bench", "/etc", ".", "", None, 3])
def test_origin_names_tasks_never_paths(name: object) -> None:
    with pytest.raises(InputError, match="expected a task's name"):
        harbor.folder_of(Origin.model_validate({"kind": "harbor", "task": name}))


@pytest.mark.usefixtures("source")
def test_origin_with_other_fields_is_refused() -> None:
    with pytest.raises(InputError, match="no field is called 'image'"):
        harbor.folder_of(Origin.model_validate({"kind": "harbor", "task": "sort-bench", "image": "x"}))


@pytest.mark.usefixtures("source")
def test_unknown_task_is_not_found() -> None:
    with pytest.raises(NotFound, match="has no task called 'other'"):
        harbor.folder_of(Origin.model_validate({"kind": "harbor", "task": "other"}))


def test_without_the_source_there_are_no_tasks() -> None:
    assert (harbor.tasks(), harbor.refused()) == ([], {})
    with pytest.raises(MissingDependency, match="source 'harbor'"):
        harbor.folder_of(Origin.model_validate({"kind": "harbor", "task": "any"}))
