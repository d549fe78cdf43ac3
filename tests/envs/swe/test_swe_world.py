"""A repository and an agent's tools in a real sandbox."""

import pytest
from swe_agents import CALC, call

from pivotgym.core.errors import NotFound
from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Origin, Step


def test_the_work_folder_holds_the_commit(agent):
    assert agent().bash("git log --format=%s; git status --short; ls") == "Calculate\nREADME.md\npkg\ntests\n"


def test_the_fix_cannot_be_found_in_git(agent):
    found = agent().bash("git rev-list --all | wc -l; git cat-file --batch-all-objects --batch-check | grep -c commit")
    assert found == "1\n1\n"


def test_a_commit_that_is_not_there(swe, mirror):
    with pytest.raises(NotFound, match="some/repo has no 0000"):
        swe.world().start(Origin(kind="git", repo="some/repo", commit="0" * 40), 0)


def test_files_of_the_origin_are_put_over_the_tree(agent):
    assert agent(files={"notes/a.txt": "hello\n"}).bash("cat notes/a.txt") == "hello\n"


def test_parts_of_one_listing_agree(agent):
    world = agent(harness="mini_swe_agent").world
    found = call("bash", command="find . -name '*.py' | head -n 1")
    form = "<returncode>0</returncode>\n<output>\n{}\n</output>"
    assert world.agrees(Step(action=found), form.format("./pkg/calc.py"), form.format("./tests/test_calc.py"))
    assert not world.agrees(Step(action=found), form.format("./pkg/calc.py"), form.format("./pkg/none.py"))


def test_what_was_changed_before_the_run_is_there(agent):
    diff = "diff --git a/pkg/calc.py b/pkg/calc.py\n--- a/pkg/calc.py\n+++ b/pkg/calc.py\n"
    diff += "@@ -1,4 +1,4 @@\n def add(a, b):\n-    return a - b\n+    return a * b\n \n \n"
    assert agent(patch=diff).bash("git status --short; sed -n 2p pkg/calc.py") == " M pkg/calc.py\n    return a * b\n"


def test_a_tree_in_development_mode_is_importable_from_everywhere(agent):
    machine = agent(develop=True, files={"setup.py": "setup(name='pkg', version='7')"})
    asked = "cd /; python -c 'import pkg.calc, importlib.metadata as m; print(pkg.calc.__file__, m.version(\"pkg\"))'"
    assert machine.bash(asked) == "/testbed/pkg/calc.py 7\n"


def test_a_machine_without_pytest(agent):
    assert "No module named pytest" in agent(pytest=False).bash("python -m pytest 2>&1")


def test_a_fresh_shell_forgets_and_a_session_goes_on(agent):
    fresh, session = agent(), agent(shell="session")
    for one in (fresh, session):
        one.bash("cd pkg")
    assert (fresh.bash("pwd"), session.bash("pwd")) == ("/testbed\n", "/testbed/pkg\n")


def test_a_fresh_shell_has_the_machines_variables_and_the_origins(agent):
    machine = agent(env={"COLOUR": "red"})
    machine.bash("export MORE=1")
    names = machine.bash("env | cut -d= -f1 | LC_ALL=C sort | xargs").split()
    assert set(names) - {"_", "PWD", "SHLVL"} == {"COLOUR", "HOME", "LC_ALL", "PATH", "TZ"}


def test_pytest_is_there(agent):
    assert "1 failed, 1 passed" in agent().bash("python -m pytest -q 2>&1 | tail -1")


def test_mini_swe_agent_sees_its_own_form(agent):
    machine = agent(harness="mini_swe_agent")
    assert machine.bash("echo hi; exit 3") == "<returncode>3</returncode>\n<output>\nhi\n</output>"


def test_mini_swe_agent_sees_the_ends_of_a_long_output(agent):
    shown = agent(harness="mini_swe_agent").bash("seq 5000")
    assert "characters elided" in shown
    assert shown.endswith("4999\n5000\n\n</output_tail>")


def test_a_block_of_a_text_is_run(agent):
    world = agent(harness="mini_swe_agent").world
    assert "hi" in world.run(Action(content="THOUGHT\n```bash\necho hi\n```")).observations[0]


def test_an_editor_views_lines(agent):
    shown = agent().says("str_replace_editor", command="view", path="/testbed/pkg/calc.py", view_range=[1, 2])
    assert "     1\tdef add(a, b):\n     2\t    return a - b\n" in shown


def test_an_editor_views_a_folder(agent):
    shown = agent().says("str_replace_editor", command="view", path="/testbed")
    assert "/testbed/pkg/calc.py\n" in shown
    assert ".git" not in shown


def test_an_editor_refuses_a_file_that_is_not_there(agent):
    effects = agent().do("str_replace_editor", command="view", path="/testbed/none.py")
    assert effects.failed == [True]
    assert "does not exist" in effects.observations[0]


def test_openhands_wants_absolute_paths(agent):
    shown = agent(harness="openhands").says("str_replace_editor", command="view", path="pkg/calc.py")
    assert "Maybe you meant /testbed/pkg/calc.py?" in shown


def test_an_edit_changes_the_file_and_nothing_else(agent):
    effects = agent().do(
        "str_replace_editor", command="str_replace", path="/testbed/pkg/calc.py", old_str="a - b", new_str="a + b"
    )
    assert list(effects.detail["files"]) == ["/testbed/pkg/calc.py"]
    change = effects.detail["files"]["/testbed/pkg/calc.py"]
    assert (change["before"]["text"], change["after"]["text"]) == (CALC, CALC.replace("a - b", "a + b"))


def test_an_edit_keeps_the_mode(agent):
    machine = agent()
    machine.bash("chmod 755 pkg/calc.py")
    machine.do("str_replace_editor", command="str_replace", path="/testbed/pkg/calc.py", old_str="a - b", new_str="0")
    assert machine.bash("stat -c %a pkg/calc.py") == "755\n"


def test_an_edit_can_be_undone_also_in_a_fork_of_a_frozen_state(agent):
    machine = agent()
    edit = call("str_replace_editor", command="str_replace", path="/testbed/pkg/calc.py", old_str="a - b", new_str="0")
    machine.world.replay(Step(action=edit), 0)
    copy = machine.world.fork()
    copy.run(call("str_replace_editor", command="undo_edit", path="/testbed/pkg/calc.py"))
    assert copy.run(call("bash", command="git status --short")).observations == [""]
    copy.close()


def test_a_file_that_cannot_be_written_is_refused(agent):
    effects = agent().do("str_replace_editor", command="create", path="/proc/none/a.txt", file_text="x")
    assert effects.failed == [True]
    assert "error while trying to write" in effects.observations[0]


def test_a_patch_changes_files(agent):
    machine = agent(harness="codex")
    lines = "*** Begin Patch\n*** Update File: pkg/calc.py\n@@\n-    return a - b\n+    return a + b\n*** End Patch"
    machine.do("apply_patch", input=lines)
    assert "+    return a + b" in machine.says("shell_command", command="git diff")


def test_a_patch_that_does_not_fit_is_refused(agent):
    lines = "*** Begin Patch\n*** Update File: pkg/calc.py\n@@\n-    nothing\n+    x\n*** End Patch"
    assert agent(harness="codex").do("apply_patch", input=lines).failed == [True]


def test_a_window_is_opened_scrolled_and_searched(agent):
    machine = agent(harness="swe_agent")
    assert "[File: /testbed/README.md (150 lines total)]" in machine.says("open", path="README.md")
    assert "150:line 150" in machine.says("scroll_down")
    assert "line 77" in machine.says("search_file", search_term="line 77")


def test_a_window_outlives_a_frozen_state(agent):
    world = agent(harness="swe_agent").world
    world.replay(Step(action=call("open", path="README.md")), 0)
    assert "\n149:line 149" in world.run(call("goto", line_number=149)).observations[0]


def test_a_window_is_edited(agent):
    machine = agent(harness="swe_agent")
    machine.do("open", path="pkg/calc.py")
    machine.do("edit", search="a - b", replace="a + b")
    assert "+    return a + b" in machine.bash("git diff")


def test_tools_are_called_like_programs(agent):
    assert "[File: /testbed/pkg/calc.py (6 lines total)]" in agent(harness="swe_agent").bash("open pkg/calc.py")


def test_a_folder_is_searched(agent):
    effects = agent(harness="codex").do("grep_files", pattern="def tw.ce", path="/testbed/pkg")
    assert effects.observations == ["pkg/calc.py\n"]


def test_a_search_that_finds_nothing_says_so(agent):
    assert "No matches found" in agent(harness="codex").says("grep_files", pattern="nowhere")


def test_swe_agent_counts_matches_in_a_folder(agent):
    effects = agent(harness="swe_agent").do("search_dir", search_term="def ", dir="pkg")
    assert effects.detail["operations"][0]["reached"] == [["pkg/calc.py", None, "2"]]


def test_files_are_found_by_name(agent):
    effects = agent(harness="swe_agent").do("find_file", file_name="*calc*")
    assert effects.detail["operations"][0]["reached"] == [["pkg/calc.py", None, ""], ["tests/test_calc.py", None, ""]]


def test_an_unknown_tool_is_invalid(agent):
    assert agent().do("teleport", to="mars").invalid == "no tool is called 'teleport'"


def test_a_missing_argument_is_invalid(agent):
    assert "'command' is missing" in agent().do("bash").invalid


def test_handing_in_ends_the_task(agent):
    world = agent(harness="openhands").world
    world.run(call("finish", message="done"))
    assert world.over()


def test_git_status_alone_is_no_change(agent):
    detail = agent().do("bash", command="touch README.md; git status").detail
    assert "git" not in detail


def test_a_commit_is_a_change(agent):
    detail = agent().do("bash", command="echo >> README.md; git commit -qam x").detail
    assert list(detail["git"]) == ["/testbed"]


def test_equal_origins_have_equal_digests(agent):
    assert agent().world.digest() == agent().world.digest()
