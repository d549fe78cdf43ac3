import gzip
import json

import pytest

from pivotgym.core.errors import BadLine, ConfigError, NotFound
from pivotgym.core.jsonl import Appender, ReadReport, read_lines, read_records, write_records
from pivotgym.core.trajectory import Trajectory


def lines(path, *texts):
    path.write_text("\n".join(texts) + "\n")
    return path


def test_reads_what_it_wrote(tmp_path):
    records = [Trajectory(id=str(n), domain="d", messages=[]) for n in range(3)]

    assert write_records(tmp_path / "a.jsonl", records) == 3
    assert list(read_records(tmp_path / "a.jsonl", Trajectory)) == records


def test_reads_gzip(tmp_path):
    with gzip.open(tmp_path / "a.jsonl.gz", "wt") as out:
        out.write('{"a": 1}\n')

    assert list(read_lines(tmp_path / "a.jsonl.gz", dict)) == [{"a": 1}]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{broken", "not JSON"),
        ("[1]", "expected a JSON object, got list"),
        ('{"id": "x"}', "domain: Field required"),
        ('{"id": "x", "domain": "d", "messages": [], "odd": 1}', "odd: Extra inputs"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_bad_line_is_reported_with_file_line_and_reason(tmp_path, line, reason):
    path = lines(tmp_path / "a.jsonl", '{"id": "x", "domain": "d", "messages": []}', line)

    with pytest.raises(BadLine, match=rf"a\.jsonl, line 2: .*{reason}"):
        list(read_records(path, Trajectory))


def test_skip_counts_bad_lines_and_goes_on(tmp_path):
    path = lines(tmp_path / "a.jsonl", '{"a": 1}', "oops", '{"a": 2}')
    report = ReadReport()

    assert list(read_lines(path, dict, on_error="skip", report=report)) == [{"a": 1}, {"a": 2}]
    assert (report.read, report.skipped) == (2, 1)
    assert "line 2" in report.reasons[0]


def test_unknown_error_policy_is_named(tmp_path):
    with pytest.raises(ConfigError, match="expected 'stop' or 'skip', got 'warn'"):
        list(read_lines(lines(tmp_path / "a.jsonl"), dict, on_error="warn"))


def test_missing_file_is_named(tmp_path):
    with pytest.raises(NotFound, match="found none at"):
        list(read_lines(tmp_path / "none.jsonl", dict))


def test_failed_write_leaves_the_old_file(tmp_path):
    path = lines(tmp_path / "a.jsonl", '{"old": 1}')

    with pytest.raises(TypeError):
        write_records(path, [{"bad": object()}])

    assert path.read_text() == '{"old": 1}\n'
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.jsonl"]


def test_appender_cuts_off_the_line_a_kill_left_half_written(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1}\n{"a": 2')

    with Appender(path) as out:
        out.append({"a": 3})

    assert [json.loads(line) for line in path.read_text().splitlines()] == [{"a": 1}, {"a": 3}]


def test_appender_cuts_a_long_half_written_line(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1}\n' + "x" * 200_000)

    Appender(path).close()

    assert path.read_text() == '{"a": 1}\n'


def test_several_records_are_appended_in_order(tmp_path):
    with Appender(tmp_path / "a.jsonl") as file:
        file.append({"n": 1}, {"n": 2})
        file.append({"n": 3})

    assert [row["n"] for row in read_lines(tmp_path / "a.jsonl", dict)] == [1, 2, 3]
