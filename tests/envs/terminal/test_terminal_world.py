import pytest

from pivotgym.core.errors import InputError, PivotRefused, WrongState
from pivotgym.core.formats.terminus import Answer, Keystrokes, write_terminus
from pivotgym.core.messages import Action, ToolCall
from pivotgym.core.trajectory import Origin, Step

FILES = {"/work/a.txt": "one\ntwo\n", "/work/b.txt": "three\n"}


def test_a_command_shows_its_output(at):
    assert at(files=FILES, cwd="/work").says("cat a.txt") == "one\ntwo\n"


def test_errors_and_exit_status_are_shown(at):
    assert at(cwd="/root").says("echo oops >&2; (exit 4)") == "oops\n[exit status 4]\n"


def test_each_call_has_its_observation(at):
    assert at().run("echo 1", "echo 2").observations == ["1\n", "2\n"]


def test_a_session_goes_on(at):
    machine = at(files=FILES)
    machine.run("cd /work; export COLOUR=red; f() { echo hi; }")
    assert machine.says("pwd; echo $COLOUR; f") == "/work\nred\nhi\n"


def test_a_fresh_shell_forgets(at):
    machine = at(files=FILES, shell="fresh", cwd="/work")
    machine.run("cd /; export COLOUR=red; umask 0")
    assert machine.says("pwd; echo [$COLOUR]; umask") == "/work\n[]\n0022\n"


def test_a_fresh_shell_has_a_plain_environment(at):
    names = at(shell="fresh", env={"COLOUR": "red"}).says("env | cut -d= -f1 | sort | xargs").split()
    assert set(names) - {"_", "PWD", "SHLVL"} == {"COLOUR", "HOME", "LC_ALL", "PATH", "TZ"}


def test_standard_input_is_empty(at):
    assert at(shell="fresh").says("cat; wc -c") == "0\n"


def test_effects_name_changed_files(at):
    files = at(files=FILES, cwd="/work").run("echo four >> b.txt; rm a.txt").detail["files"]
    assert (files["/work/a.txt"]["after"], files["/work/b.txt"]["after"]["text"]) == (None, "three\nfour\n")


def test_effects_of_the_second_action_are_its_own(at):
    machine = at(files=FILES, cwd="/work")
    machine.run("touch first")
    assert list(machine.run("touch second").detail["files"]) == ["/work/second"]


def test_effects_hold_commands_shell_and_policy(at):
    detail = at(files=FILES).run("cd /work; umask 027; export A=1; printf x >&2; false").detail
    assert detail["commands"][0]["exit"] == 1
    assert detail["commands"][0]["stderr"] == "x"
    assert (detail["shell"]["cwd"], detail["shell"]["umask"], detail["shell"]["environment"]["A"]) == (
        "/work",
        "0027",
        "1",
    )
    assert detail["compare"]["output"] == "reads"


def test_a_command_that_only_reads_leaves_the_state(at):
    effects = at(files=FILES, cwd="/work").run("cat a.txt")
    assert not effects.changed


@pytest.mark.parametrize("command", ["touch x", "cd /", "export A=1", "umask 0", "chmod 600 /work/a.txt", "f() { :; }"])
def test_a_command_that_changes_something_changes_the_state(at, command):
    assert at(files=FILES, cwd="/work").run(command).changed


def test_equal_changes_lead_to_equal_states(at):
    machine = at(files=FILES, cwd="/work")
    other = machine.world.fork()
    one = machine.run("sed -i s/one/1/ a.txt")
    two = other.run(Action(tool_calls=(ToolCall(name="bash", arguments={"command": "printf '1\\ntwo\\n' > a.txt"}),)))
    other.close()
    assert one.state == two.state


def test_forks_are_independent(at):
    machine = at(files=FILES, cwd="/work")
    machine.run("echo live > live.txt")
    fork = machine.world.fork()
    machine.run("rm live.txt")
    assert fork.run(
        Action(tool_calls=(ToolCall(name="bash", arguments={"command": "cat live.txt"}),))
    ).observations == ["live\n"]
    fork.close()


def test_a_fork_of_a_frozen_state_opens_nothing(at):
    machine = at(files=FILES)
    machine.replay("touch x")
    fork = machine.world.fork()
    assert not fork.live
    fork.close()


def test_replayed_steps_lead_to_the_state_in_which_they_were_recorded(at):
    machine = at(files=FILES)
    machine.replay("cd /work")
    machine.replay("export A=1; ls", "b.txt\na.txt\n")
    assert machine.says("pwd; echo $A") == "/work\n1\n"


def test_a_replay_that_differs_is_refused(at):
    with pytest.raises(PivotRefused, match="prefix step 0, observation 0: the replay differs"):
        at(files=FILES).replay("cat /work/a.txt", "other\n")


def test_a_refusal_names_what_ran_in_the_background(at):
    machine = at()
    machine.replay("sleep 321 & sleep 0.1")
    with pytest.raises(PivotRefused) as refusal:
        machine.replay("pgrep -x sleep | wc -l", "1\n")
    assert "sleep 321" in str(refusal.value.hint)


def test_replaying_leaves_nothing_running(at):
    machine = at()
    machine.replay("sleep 321 & sleep 0.05")
    assert machine.says("grep -l sleep /proc/[0-9]*/comm | wc -l") == "0\n"


def test_a_kept_state_is_recalled(terminals, at):
    machine = at(files=FILES, cwd="/work")
    machine.replay("echo kept > c.txt; cd /")
    machine.world.keep("a key of this test")
    other = terminals.world()
    assert other.recall("a key of this test", machine.world.life.origin, [], 0)
    assert other.digest() == machine.world.digest()
    assert other.run(
        Action(tool_calls=(ToolCall(name="bash", arguments={"command": "cat /work/c.txt; pwd"}),))
    ).observations == ["kept\n/\n"]
    other.close()


def test_an_unknown_key_recalls_nothing(terminals):
    world = terminals.world()
    assert not world.recall("no such key", Origin(kind="sandbox"), [], 0)


def test_a_tree_that_cannot_be_laid_is_refused_as_the_origins(at):
    with pytest.raises(InputError, match="archive of the origin: cannot be unpacked: member 'l/x' would lie outside"):
        at(links={"/l": "../../etc"}, files={"/l/x": "1"})


def test_setup_is_part_of_the_start(at):
    assert at(setup="mkdir /srv/x && cd /srv/x && git init -q .").says("ls -A /srv/x; pwd") == ".git\n/\n"


@pytest.mark.parametrize(
    "fields", [{"shell": "fresh"}, {"files": {"/none": "a file"}}, {"folders": {"/none": 0o700}, "user": "nobody"}]
)
def test_a_start_folder_that_cannot_be_entered_is_refused(at, fields):
    with pytest.raises(InputError, match="cwd: expected a folder that the shell's user can enter, got '/none"):
        at(cwd="/none", **fields)


def test_a_setup_that_fails_is_told(at):
    with pytest.raises(InputError, match=r"setup ended with exit status 3: no luck"):
        at(setup="echo no luck >&2; exit 3")


def test_a_time_limit_is_told_and_files_stay(at):
    machine = at(time_limit_s=0.5)
    effects = machine.run("touch /root/made; sleep 30")
    assert effects.detail["commands"][0]["ended"] == "time"
    assert "took longer than its time limit" in effects.observations[0]
    assert machine.says("ls /root") == "made\n"


def test_a_call_may_ask_for_less_time(at):
    action = Action(tool_calls=(ToolCall(name="bash", arguments={"command": "sleep 30", "timeout": 0.3}),))
    assert at().world.run(action).detail["commands"][0]["ended"] == "time"


def test_an_action_that_cannot_be_run_changes_nothing(at):
    effects = at().world.run(Action(tool_calls=(ToolCall(name="weather", arguments={}),)))
    assert effects.invalid is not None
    assert effects.observations == [f"Error: {effects.invalid}\n"]
    assert not effects.changed


def test_broken_terminus_json_has_a_reason(at):
    effects = at().world.run(Action(content='{"analysis": "x", "commands": []}'))
    assert effects.observations == ["Error: the object: the field 'plan' is missing\n"]


def test_a_claim_is_told(at):
    effects = at().world.run(Action(tool_calls=(ToolCall(name="submit", arguments={}),)))
    assert effects.detail["complete"]


def test_commits_at_different_times_have_equal_effects(at):
    machine = at(setup="git init -qb main /srv/r", cwd="/srv/r")
    commit = "git -c user.name=a -c user.email=a@b commit -q --allow-empty -m 'first one'"
    other = machine.world.fork()
    one = machine.run(f"GIT_COMMITTER_DATE=2001-01-01T00:00:00Z {commit}").detail["git"]
    two = other.run(Action(tool_calls=(ToolCall(name="bash", arguments={"command": commit}),))).detail["git"]
    other.close()
    assert one == two
    assert one["/srv/r"]["refs"]["refs/heads/main"][0][1] == "first one"


def test_asking_git_leaves_the_state_alone(at):
    machine = at(setup="git init -qb main /srv/r && echo 1 > /srv/r/a", cwd="/srv/r")
    effects = machine.run("git add a")
    assert effects.state == machine.world.digest()
    assert machine.says("git status --short") == "A  a\n"


def test_keys_are_typed_into_a_terminal(at):
    machine = at(files=FILES, cwd="/work")
    keys = write_terminus(Answer((Keystrokes("cat a.txt\n", 5), Keystrokes("touch typed\n", 5))))
    effects = machine.world.run(Action(content=keys))
    assert "one\ntwo" in effects.observations[0]
    assert list(effects.detail["files"]) == ["/work/typed"]
    assert [one["exit"] for one in effects.detail["commands"]] == [0, 0]


def test_generated_perturbations_change_the_tasks_files_only(at):
    machine = at(files=FILES, cwd="/work")
    machine.replay("true")
    before = machine.world.digest()
    assert machine.world.perturb(1)
    changed = machine.world.sandbox.changes()
    assert machine.world.digest() != before
    assert changed
    assert all(path.startswith("/work") for path in changed)


def test_a_start_without_files_has_no_perturbation(at):
    assert not at(cwd="/").world.perturb(1)


def test_a_closed_world_says_so(at):
    machine = at()
    machine.world.close()
    with pytest.raises(WrongState, match="not started, or closed"):
        machine.run("true")


@pytest.mark.slow
def test_a_large_tree_is_perturbed_too(at):
    machine = at(
        setup="mkdir -p /work/d/{0..49} && cd /work/d && for i in {0..49}; do touch $i/f{0..59}.txt; done", cwd="/work"
    )
    assert machine.world.perturb(1)
    assert all(path.startswith("/work") for path in machine.world.sandbox.changes())


def test_a_file_given_among_the_machines_own_is_seen_beside_them(at):
    machine = at(files={"/usr/share/dict/of-this-test": "a\nb\n"})
    assert machine.says("cat /usr/share/dict/of-this-test; command -v ls") == "a\nb\n/usr/bin/ls\n"


def test_a_message_does_nothing(at):
    effects = at(files=FILES).world.run(Action(content="All done."))
    assert not effects.changed
    assert (effects.invalid, effects.detail["commands"], effects.detail["complete"]) == (None, [], False)


def claim(world) -> dict:
    return world.run(Action(tool_calls=(ToolCall(name="submit", arguments={}),))).detail


def test_a_claim_is_not_due_before_the_tasks_tests_pass(terminals):
    task, world = next(iter(terminals.tasks())), terminals.world()
    world.start(task.origin, 0)
    assert claim(world)["due"] is False
    for action in task.gold[0]:
        world.run(action)
    assert claim(world)["due"] is True
    world.close()


def test_whether_a_claim_is_due_is_unknown_without_a_task(at):
    assert claim(at(files=FILES).world)["due"] is None


def test_a_user_owns_what_lies_below_its_working_directory(at):
    machine = at(
        files={"/home/user/a.txt": "1\n", "/srv/b.txt": "2\n"},
        folders={"/home/user": 0o755},
        cwd="/home/user",
        user="1000:1000",
    )
    assert (
        machine.says("id -u; echo 3 >> a.txt && cat a.txt; [ -w /srv/b.txt ] || echo not mine")
        == "1000\n1\n3\nnot mine\n"
    )


def keys(text: str, wait_s: float = 5) -> Step:
    return Step(action=Action(content=write_terminus(Answer((Keystrokes(text, wait_s),)))))


def test_what_was_typed_lives_on_into_the_next_step(at):
    world = at(files=FILES).world
    world.replay(keys("cd /work && export COLOUR=red\n"), 0)
    assert "/work red" in world.run(keys("echo $PWD $COLOUR\n").action).observations[0]


def test_a_state_in_which_a_program_has_the_terminal_is_refused(at):
    with pytest.raises(PivotRefused):
        at().world.replay(keys("cat\n", 0.3), 0)


def test_effects_tell_what_lasts_of_a_session(at):
    detail = at(files={"/work/a": ""}, cwd="/work").run("alias ll='ls -l'; sleep 60 &").detail
    assert detail["processes"] == ["sleep 60"]
    assert "alias ll='ls -l'" in detail["shell"]["definitions"]


def test_what_ends_by_itself_shortly_after_does_not_run_on(at):
    detail = at(files={"/work/a": ""}, cwd="/work").run("sleep 0.2 &").detail
    assert detail["processes"] == []


def test_a_fresh_shell_leaves_nothing_that_lasts(at):
    detail = at(files={"/work/a": ""}, cwd="/work", shell="fresh").run("alias ll='ls -l'").detail
    assert "processes" not in detail
    assert "definitions" not in detail["shell"]
