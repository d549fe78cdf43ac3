"""Which commands ask for an order of their lines."""

import pytest

from pivotgym.verifiers.shell.order import Order, order_of


@pytest.mark.parametrize(
    "command",
    [
        "find . -name '*.py'",
        "cd src && find .",
        "grep -rn TODO .",
        "find . -type f | grep py | cut -d/ -f2",
        "find . -name '*.c' -exec wc -l {} +",
        "find . | xargs grep -l x",
        "find . | sed 's/a/b/'",
        "env",
    ],
)
def test_walks_ask_for_none(command: str) -> None:
    assert order_of(command) is Order.NONE


@pytest.mark.parametrize("command", ["ls", "ls -la src", "find . | sort", "find . | sort -u"])
def test_lists_by_name_ask_for_no_more_than_the_alphabet(command: str) -> None:
    assert order_of(command) is Order.NAMES


@pytest.mark.parametrize(
    "command",
    [
        "cat a",
        "sort a",
        "find . | sort -r",
        "find . | head -3",
        "find . | tac",
        "find . | cat -n",
        "grep -n x a",
        "grep -rn -A 2 x .",
        "ls -t",
        "ls -R",
        "ls a b",
        "ls | nl",
        "find . -exec cat {} +",
        "find . | xargs head -1",
        "find . | sed 1d",
        "find . | awk 'NR > 1'",
        "find . -quit",
        "ls; pwd",
        "for i in a b; do ls $i; done",
        "find 'open",
    ],
)
def test_everything_else_asks_for_one(command: str) -> None:
    assert order_of(command) is Order.ASKED
