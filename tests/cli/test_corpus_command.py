"""`pivotgym corpus`."""

import json

import pytest

from pivotgym.cli.main import run_app


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "towns.jsonl"
    rows = [
        {"url": f"https://a.example/{name}", "title": name, "text": f"The town of {name}."} for name in ("Asby", "Beck")
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_build_then_search(file, tmp_path, capsys):
    assert run_app(["corpus", "build", str(file), "-o", str(tmp_path / "built")]) == 0
    assert "2 pages in" in capsys.readouterr().out
    assert run_app(["corpus", "search", str(tmp_path / "built"), "where is Beck?", "--json"]) == 0
    [row] = map(json.loads, capsys.readouterr().out.splitlines())
    assert (row["rank"], row["url"]) == (1, "https://a.example/Beck")


def test_about_tells_what_a_corpus_is(file, tmp_path, capsys):
    run_app(["corpus", "build", str(file), str(file), "-o", str(tmp_path / "built"), "--name", "twice"])
    capsys.readouterr()
    assert run_app(["corpus", "about", str(tmp_path / "built")]) == 0
    known = json.loads(capsys.readouterr().out)
    assert (known["name"], known["pages"]) == ("twice", 4)


def test_a_bad_line_stops_the_build_or_is_counted(file, tmp_path, capsys):
    with file.open("a") as lines:
        lines.write("{}\n")
    command = ["corpus", "build", str(file), "-o", str(tmp_path / "built")]
    assert run_app(command) == 3
    assert "line 3" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "built").exists()
    assert run_app([*command, "--on-error", "skip"]) == 0
    assert "1 lines skipped" in " ".join(capsys.readouterr().out.split())


def test_a_folder_without_a_corpus_is_told(tmp_path, capsys):
    assert run_app(["corpus", "search", str(tmp_path), "a"]) == 3
    assert "expected a built corpus" in " ".join(capsys.readouterr().err.split())
