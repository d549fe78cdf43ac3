import pytest

from pivotgym.core import errors

CLASSES = [cls for cls in errors._walk(errors.PivotGymError) if cls is not errors.BadLine]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_error_survives_the_wire(cls):
    sent = cls("seed: expected an integer, got 'x'", hint="pass a number", session_id="s1", details={"a": 1})

    received = errors.from_wire(sent.to_wire(), retry_after_s=2.0)

    assert type(received) is cls
    assert (received.message, received.hint, received.session_id) == (sent.message, sent.hint, "s1")
    assert received.details == {"a": 1}
    assert received.retry_after_s == 2.0


def test_codes_are_unique():
    codes = [cls.code for cls in errors._walk(errors.PivotGymError)]

    assert len(codes) == len(set(codes))


@pytest.mark.parametrize(("retryable", "expected"), [(True, errors.InfrastructureError), (False, errors.InputError)])
def test_unknown_code_keeps_whether_a_retry_helps(retryable, expected):
    assert type(errors.from_wire({"code": "new", "message": "m", "retryable": retryable})) is expected


def test_message_ends_with_the_fix():
    assert str(errors.ConfigError("k: expected 1 or more, got 0", hint="raise k")) == (
        "k: expected 1 or more, got 0 (raise k)"
    )


def test_only_infrastructure_errors_are_retryable():
    for cls in CLASSES:
        assert cls.retryable == issubclass(cls, errors.InfrastructureError)
