import datetime
import json
import random
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from pivotgym.core.errors import InputError, MissingDependency, NotFound, WrongState
from pivotgym.core.messages import Action, ToolCall
from pivotgym.core.trajectory import Origin
from pivotgym.envs.tool_use import domain
from pivotgym.envs.tool_use.bfcl.classes import load_class
from pivotgym.envs.tool_use.bfcl.docs import class_tools
from pivotgym.envs.tool_use.bfcl.source import CLASS_FILES
from pivotgym.envs.tool_use.bfcl.state import SharedRandom, canonical, copied
from pivotgym.envs.tool_use.world import ToolWorld

pytestmark = pytest.mark.usefixtures("bfcl")


def start(task: str) -> ToolWorld:
    world = domain().world()
    world.start(Origin.model_validate({"kind": "bfcl", "task": task}), 0)
    return world


def call(world: ToolWorld, name: str, /, **arguments: object) -> str:
    return world.run(Action(tool_calls=(ToolCall(name=name, arguments=arguments),))).observations[0]


@pytest.fixture
def files() -> ToolWorld:
    """Files and folders, and a Twitter account."""
    return start("multi_turn_base_0")


@pytest.fixture
def travel() -> ToolWorld:
    """A travel account with random booking ids."""
    return start("multi_turn_base_150")


def test_results_are_the_text_bfcl_makes(files: ToolWorld) -> None:
    assert call(files, "ls", a=True) == '{"current_directory_content": ["document", "archive"]}'
    assert call(files, "mkdir", dir_name="new") == "None"
    assert call(files, "cd", folder="nowhere") == '{"error": "cd: \'nowhere\': No such file or directory"}'


def test_what_a_tool_raises_is_its_answer(files: ToolWorld) -> None:
    assert call(files, "cd").startswith("Error during execution: ")
    assert "unexpected keyword argument 'deep'" in call(files, "ls", deep=True)


@pytest.mark.parametrize("name", ["_load_scenario", "__init__", "root", "cp", "fillFuelTank", "eval", ""])
def test_only_documented_functions_of_the_task_can_be_called(files: ToolWorld, name: str) -> None:
    assert call(files, name).startswith(f"Error during execution: no tool is called {name!r}; the tools are ['authent")


def test_effects_say_what_failed_and_what_changed(files: ToolWorld) -> None:
    calls = [ToolCall(name="mkdir", arguments={"dir_name": "a"})] * 2 + [ToolCall(name="ls", arguments="{")]
    effects = files.run(Action(tool_calls=tuple(calls)))
    assert effects.failed == [False, True, True]
    assert effects.detail["changed"] == [True, False, False]
    assert effects.changed


def test_reading_changes_nothing(files: ToolWorld) -> None:
    before = files.digest()
    call(files, "ls")
    call(files, "pwd")
    assert files.digest() == before


def test_the_current_folder_is_part_of_the_state(files: ToolWorld) -> None:
    before = files.digest()
    call(files, "cd", folder="document")
    assert files.digest() != before
    call(files, "cd", folder="..")
    assert files.digest() == before


def test_the_order_of_writing_does_not_matter_for_the_state(files: ToolWorld) -> None:
    other = files.fork()
    for world, names in ((files, "ab"), (other, "ba")):
        for name in names:
            call(world, "touch", file_name=name)
    assert files.digest() == other.digest()


def test_the_time_of_writing_does_not_matter_for_the_state(files: ToolWorld) -> None:
    instance = files.toolkit._cells["GorillaFileSystem"].instance
    instance.root.contents["document"].contents["final_report.pdf"]._last_modified = datetime.datetime(1999, 1, 1)
    assert files.digest() == start("multi_turn_base_0").digest()


def test_random_ids_come_back(travel: ToolWorld) -> None:
    again = start("multi_turn_base_150")
    login = {"client_id": "a", "client_secret": "b", "refresh_token": "c", "grant_type": "read_write"}
    login |= {"user_first_name": "Ann", "user_last_name": "Lee"}
    assert call(travel, "authenticate_travel", **login) == call(again, "authenticate_travel", **login)
    assert travel.digest() == again.digest()


def test_drawing_a_random_number_is_part_of_the_state() -> None:
    world = start("multi_turn_base_50")
    before = world.digest()
    call(world, "get_current_speed")
    assert world.digest() != before


def test_forks_do_not_see_each_other(files: ToolWorld) -> None:
    before = files.digest()
    forks = [files.fork() for _ in range(3)]
    for number, fork in enumerate(forks):
        call(fork, "touch", file_name=f"{number}.txt")
    call(files, "mkdir", dir_name="late")
    assert forks[0].fork().digest() == forks[0].digest()
    assert len({before, files.digest(), *(fork.digest() for fork in forks)}) == 5


def test_forks_draw_the_same_random_numbers() -> None:
    world = start("multi_turn_base_50")
    call(world, "get_current_speed")
    fork = world.fork()
    assert call(world, "get_current_speed") == call(fork, "get_current_speed")
    assert world.digest() == fork.digest()


def test_worlds_do_not_share_default_states() -> None:
    for name in CLASS_FILES:
        module = sys.modules[load_class(name).__module__]
        before = canonical(module.__dict__.get("DEFAULT_STATE"))
        for task in range(0, 200, 4):
            world = start(f"multi_turn_base_{task}")
            for tool in world.toolkit.tools():
                call(world, tool.name)
        assert canonical(module.__dict__.get("DEFAULT_STATE")) == before


def test_a_tool_that_keeps_an_argument_keeps_a_copy(files: ToolWorld) -> None:
    call(files, "authenticate_twitter", username="analyst_pro", password="Kj8#mP9$vL2")
    action = Action(tool_calls=(ToolCall(name="post_tweet", arguments={"content": "x", "tags": ["#a"]}),))
    files.run(action)
    digest = files.digest()
    action.tool_calls[0].arguments["tags"].append("#b")  # type: ignore[index, union-attr]
    files.toolkit._cells["TwitterAPI"].digest = None
    assert files.digest() == digest


def test_a_folder_within_itself_has_a_digest_and_a_fork(files: ToolWorld) -> None:
    world = start("multi_turn_base_2")
    call(world, "mkdir", dir_name="a")
    call(world, "cp", source="a", destination="a")
    fork = world.fork()
    call(fork, "touch", file_name="b")
    assert fork.digest() != world.digest()
    assert call(world, "find", path=".", name="zz") == "Error during execution: maximum recursion depth exceeded"


def test_folders_nested_without_end_are_the_tools_error() -> None:
    world = start("multi_turn_base_2")
    deeper = (ToolCall(name="mkdir", arguments={"dir_name": "a"}), ToolCall(name="cd", arguments={"folder": "a"}))
    effects = world.run(Action(tool_calls=deeper * 300))
    assert "Error during execution: the state would be too large; nothing was changed" in effects.observations
    assert world.fork().digest() == effects.state


def test_folders_copied_into_each_other_stay_few() -> None:
    world = start("multi_turn_base_2")
    call(world, "mkdir", dir_name="d0")
    said = []
    for n in range(16):
        said.append(call(world, "cp", source=f"d{n}", destination=f"e{n}"))
        call(world, "mkdir", dir_name=f"d{n + 1}")
        said += [call(world, "mv", source=f"{side}{n}", destination=f"d{n + 1}") for side in "de"]
    assert "Error during execution: the state would be too large; nothing was changed" in said


def test_a_call_that_is_refused_for_size_changes_nothing() -> None:
    world = start("multi_turn_base_2")
    before = world.digest()
    while "too large" not in call(world, "mkdir", dir_name="a"):
        call(world, "cd", folder="a")
        before = world.digest()
    assert world.digest() == before


def test_arguments_nested_without_end_are_the_tools_error(files: ToolWorld) -> None:
    deep: list[object] = []
    for _ in range(900):
        deep = [deep]
    assert call(files, "touch", file_name=deep) == "Error during execution: maximum recursion depth exceeded"


def test_a_copied_folder_shares_its_files_in_forks_too() -> None:
    world = start("multi_turn_base_2")
    for name, arguments in (
        ("mkdir", {"dir_name": "a"}),
        ("cd", {"folder": "a"}),
        ("touch", {"file_name": "f"}),
        ("cd", {"folder": ".."}),
        ("cp", {"source": "a", "destination": "b"}),
        ("cd", {"folder": "b"}),
    ):
        call(world, name, **arguments)
    fork = world.fork()
    for one in (world, fork):
        call(one, "echo", content="hello", file_name="f")
        call(one, "cd", folder="..")
        call(one, "cd", folder="a")
    assert call(world, "cat", file_name="f") == call(fork, "cat", file_name="f") == '{"file_content": "hello"}'


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("square_root", {"number": 2.0, "precision": 10**9}),
        ("logarithm", {"value": 2.0, "base": 3.0, "precision": 10**9}),
        ("power", {"base": 9, "exponent": 10**9}),
        ("round_number", {"number": 7, "decimal_places": -(10**9)}),
    ],
)
def test_numbers_that_would_take_for_ever_are_refused(name: str, arguments: dict[str, object]) -> None:
    world = next(start(f"multi_turn_base_{n}") for n in range(20, 50) if _has(f"multi_turn_base_{n}", name))
    assert call(world, name, **arguments).startswith("Error during execution: ")


def _has(task: str, name: str) -> bool:
    return any(tool.name == name for tool in start(task).toolkit.tools())


def test_precision_does_not_leak_between_threads() -> None:
    task = next(f"multi_turn_base_{n}" for n in range(20, 50) if _has(f"multi_turn_base_{n}", "logarithm"))
    asked = [(5, 10.0, 3.0), (40, 10.0, 3.0)]
    expected = [call(start(task), "logarithm", value=v, base=b, precision=p) for p, v, b in asked]
    with ThreadPoolExecutor(8) as pool:
        world = start(task)
        got = pool.map(
            lambda n: call(world.fork(), "logarithm", value=10.0, base=3.0, precision=asked[n % 2][0]), range(100)
        )
        assert list(got) == expected * 50


def test_the_clock_stands_still() -> None:
    world = start("multi_turn_base_150")
    instance = world.toolkit._cells["TravelAPI"].instance
    instance.user_first_name, instance.user_last_name = "Ann", "Lee"
    person = {"first_name": "Ann", "last_name": "Lee", "passport_number": "US123456"}
    young = call(world, "verify_traveler_information", date_of_birth="2006-09-02", **person)
    grown = call(world, "verify_traveler_information", date_of_birth="2006-09-01", **person)
    assert json.loads(young)["verification_status"] is False
    assert json.loads(grown) == {"verification_status": True}


def test_every_documented_function_exists_with_its_parameters_and_defaults() -> None:
    import inspect

    for name in CLASS_FILES:
        for tool in class_tools(name):
            parameters = inspect.signature(getattr(load_class(name), tool.name)).parameters
            listed = tool.parameters["properties"]
            assert set(listed) == set(parameters) - {"self"}
            for key, schema in listed.items():
                assert schema.get("default", parameters[key].default) == parameters[key].default


def test_importing_the_classes_claims_no_names() -> None:
    load_class("TravelAPI")
    assert not [name for name in sys.modules if name.split(".")[0] == "bfcl_eval"]
    assert not [path for path in sys.path if "bfcl" in path]


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    load_class("MathAPI")
    monkeypatch.delitem(sys.modules, load_class("MathAPI").__module__)
    monkeypatch.setitem(sys.modules, "mpmath", None)
    with pytest.raises(MissingDependency, match=r"BFCL's math_api.py needs the package 'mpmath'.*pivotgym\[serve\]"):
        load_class("MathAPI")


def test_origins_are_checked() -> None:
    for origin, error, text in (
        ({"kind": "bfcl"}, InputError, r"expected the fields \['task'\], got \[\]"),
        ({"kind": "bfcl", "task": "x", "path": "/etc"}, InputError, r"got \['path', 'task'\]"),
        ({"kind": "bfcl", "task": 3}, InputError, "expected the id of a task as `task`, got 3"),
        ({"kind": "bfcl", "task": "../x"}, NotFound, "expected a task like 'multi_turn_base_0', got '../x'"),
        ({"kind": "image"}, InputError, r"expected a kind of \['bfcl', 'mcp', 'tau'\], got 'image'"),
    ):
        with pytest.raises(error, match=text):
            domain().world().start(Origin.model_validate(origin), 0)


def test_a_world_that_is_not_started_says_so() -> None:
    with pytest.raises(WrongState, match="it is not started, or closed"):
        domain().world().run(Action(content="x"))


def test_random_generators_are_shared_until_drawn() -> None:
    first = SharedRandom(random.Random(1))
    second = first.fork()
    assert first.mark() == second.mark()
    drawn = first.random()
    assert first.mark() != second.mark()
    assert second.random() == drawn
    assert first.mark() == second.mark()


def test_a_copy_keeps_sharing_within() -> None:
    inner = [1]
    both = copied([inner, inner])
    both[0].append(2)
    assert both[1] == [1, 2]
    assert inner == [1]
