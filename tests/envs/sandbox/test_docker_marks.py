"""Reports come after what was written before them, and nothing of marks or reports is left in the output."""

from hypothesis import given
from hypothesis import strategies as st

from pivotgym.envs.sandbox.docker.marks import ERRORS, OUTPUT, REPORT, Sorter, new_mark
from pivotgym.envs.sandbox.shell import driver

MARK = "\x1emark\x1f"
REPORTED = b"".join(b"field\0" for _ in driver.FIELDS)
texts = st.lists(st.sampled_from([b"a", b"\n", b"\x1e", b"\x1emark", b"mark\x1f", b"R", b"E", b"\0"]), max_size=6).map(
    b"".join
)


def pieces(data: bytes, sizes: list[int]) -> list[bytes]:
    found = []
    while data:
        size = sizes[len(found) % len(sizes)]
        found.append(data[:size])
        data = data[size:]
    return found


@given(
    st.lists(st.tuples(texts, texts), min_size=1, max_size=4), st.lists(st.integers(1, 9), min_size=1), st.booleans()
)
def test_streams_come_apart_however_they_are_cut(
    turns: list[tuple[bytes, bytes]], sizes: list[int], output_first: bool
) -> None:
    turns = [(out.replace(MARK.encode(), b""), err.replace(MARK.encode(), b"")) for out, err in turns]
    mark = MARK.encode()
    output = b"".join(out + mark for out, _ in turns)
    errors = b"".join(err + mark + b"R" + REPORTED for _, err in turns)
    cut = [(OUTPUT, one) for one in pieces(output, sizes)], [(ERRORS, one) for one in pieces(errors, sizes)]
    sorter, got = Sorter(MARK), {OUTPUT: b"", ERRORS: b"", REPORT: b""}
    for stream, data in (*cut[not output_first], *cut[output_first]):
        for target, part in sorter.take(stream, data):
            got[target] += part
    expected = {OUTPUT: b"".join(out for out, _ in turns), ERRORS: b"".join(err for _, err in turns)}
    assert got == {**expected, REPORT: REPORTED * len(turns)}
    assert sorter.left() == []


def test_report_waits_for_the_output_before_it() -> None:
    sorter = Sorter(MARK)
    assert sorter.take(ERRORS, MARK.encode() + b"R" + REPORTED) == []
    assert sorter.take(OUTPUT, b"late" + MARK.encode()) == [(OUTPUT, b"late"), (REPORT, REPORTED)]


def test_end_of_reports_is_passed_on() -> None:
    sorter = Sorter(MARK)
    sorter.take(OUTPUT, MARK.encode())
    assert sorter.take(ERRORS, MARK.encode() + b"E") == [(REPORT, b"")]


def test_what_looks_like_a_mark_is_given_back_at_the_end() -> None:
    sorter = Sorter(MARK)
    assert sorter.take(OUTPUT, b"x\x1ema") == [(OUTPUT, b"x")]
    assert sorter.left() == [(OUTPUT, b"\x1ema")]


def test_marks_differ() -> None:
    assert new_mark() != new_mark()
