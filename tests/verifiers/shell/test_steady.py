import pytest

from pivotgym.verifiers.shell.steady import steady


@pytest.mark.parametrize(
    "command",
    [
        "cat a.txt",
        "grep -rl TODO . | sort",
        "sed -i 's/a/b/' f && mv f g",
        ": > logs/app.log",
        "find . -name '*.py' -exec chmod 755 {} \\; -exec wc -l {} +",
        "find . -type f | xargs -n 1 md5sum",
        "wc -l $(ls *.txt)",
        "diff <(sort a) <(sort b)",
        "ls -a src",
    ],
)
def test_a_command_of_known_programs_is_steady(command: str) -> None:
    assert steady(command)


@pytest.mark.parametrize(
    "command",
    [
        "date",
        "echo $(date +%s)",
        "echo `date`",
        "echo $RANDOM",
        "echo $$ > pid",
        "ls -l",
        "ls -lt",
        "stat a",
        "ps aux",
        "mktemp",
        "sort -R a",
        "shuf a",
        "find . -mmin -5",
        "find . -newer a",
        "find . -printf '%T@'",
        "find . -exec stat {} \\;",
        "find . | xargs ls -l",
        "find . | xargs -I{} sh -c 'date'",
        "awk 'BEGIN{srand(); print rand()}'",
        "printf '%(%F)T'",
        "cat /proc/uptime",
        "git commit -m x",
        "tar -czf a.tgz a",
        "python3 run.py",
        "sleep 1 &",
        "for f in *; do date; done",
        "cat <(date)",
        "echo 'not closed",
    ],
)
def test_what_a_clock_or_chance_may_change_is_not(command: str) -> None:
    assert not steady(command)
