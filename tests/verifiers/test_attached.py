from pivotgym.verifiers.attached import Attached


class Owner:
    """Equal to every other owner, so that only identity tells them apart."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


def test_a_value_belongs_to_one_object() -> None:
    values: Attached[int] = Attached()
    one, other = Owner(), Owner()
    values.keep(one, 1)
    assert (values.get(one), values.get(other)) == (1, None)


def test_the_first_value_stays() -> None:
    values: Attached[int] = Attached()
    owner = Owner()
    assert (values.keep(owner, 1), values.keep(owner, 2)) == (1, 1)


def test_a_value_goes_with_its_object() -> None:
    values: Attached[int] = Attached()
    owner = Owner()
    values.keep(owner, 1)
    del owner
    assert len(values) == 0


def test_clear_forgets() -> None:
    values: Attached[int] = Attached()
    owner = Owner()
    values.keep(owner, 1)
    values.clear()
    assert values.get(owner) is None
