"""What lasts of a session beside its files: what its shell was told, and what runs on."""

import pytest

from pivotgym.verifiers.shell.session import running, same_definitions

F = "f () \n{ \n    echo hi\n}"


def test_the_same_definitions_are_the_same() -> None:
    assert same_definitions(F, F, variables=True)


@pytest.mark.parametrize(
    "other", ["", F.replace("hi", "ho"), F.replace("f ", "g "), F + "\nbuiltin set -o errexit", F + "\nalias ls='rm'"]
)
def test_functions_aliases_and_options_count(other: str) -> None:
    assert not same_definitions(F, other, variables=False)


def test_variables_count_where_they_are_all_that_was_done() -> None:
    assert same_definitions("declare -- X=7", "declare -- X=8", variables=False)
    assert not same_definitions("declare -- X=7", "declare -- X=8", variables=True)


def test_variables_beyond_the_experts_never_count() -> None:
    assert same_definitions("", "declare -- d=sub", variables=True)


def test_the_variables_by_which_bash_goes_always_count() -> None:
    assert not same_definitions("", "declare -- IFS=,", variables=False)


@pytest.mark.parametrize(
    ("processes", "programs"),
    [
        ((), set()),
        (("/usr/bin/python3.11 -m http.server",), {"python"}),
        (("bash -c x", "sleep 60"), {"sleep"}),
        (("bash loop.sh",), {"bash"}),
    ],
)
def test_what_runs_on_goes_by_its_program(processes: tuple[str, ...], programs: set[str]) -> None:
    assert running(processes) == programs
