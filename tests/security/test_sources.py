"""What the project's own code never does, read from its syntax trees."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("core", "verifiers", "envs", "servers", "trainer", "cli")
MODULES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
UNPICKLING = {"pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}
UNSAFE_CALLS = {"yaml.load", "yaml.unsafe_load", "yaml.full_load", "os.system", "os.popen", "numpy.load", "np.load"}
RUN_CODE = {
    "envs/swe/tasks/explaining.py": "our own tests' assertions, of source packages whose digest is pinned",
    "envs/tool_use/bfcl/classes.py": "the classes of the wheel whose digest is pinned",
}
"""Where `eval` and `exec` stand, and on what."""


@cache
def nodes(module: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(module.read_text(encoding="utf-8"))))


@cache
def calls(module: Path) -> list[tuple[str, ast.Call]]:
    return [(ast.unparse(node.func), node) for node in nodes(module) if isinstance(node, ast.Call)]


def given(node: ast.Call, name: str) -> str:
    return next((ast.unparse(one.value) for one in node.keywords if one.arg == name), "")


def test_nothing_is_unpickled() -> None:
    imported = {
        (path.relative_to(ROOT).as_posix(), name.split(".")[0])
        for path in MODULES
        for node in nodes(path)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names])
    }
    assert not [pair for pair in imported if pair[1] in UNPICKLING]


def test_tensors_are_loaded_as_data() -> None:
    loads = [node for path in MODULES for name, node in calls(path) if name == "torch.load"]
    assert loads
    assert {given(node, "weights_only") for node in loads} == {"True"}


@pytest.mark.parametrize("unsafe", sorted(UNSAFE_CALLS))
def test_unsafe_reader_or_shell_is_not_called(unsafe: str) -> None:
    assert not [path for path in MODULES for name, _ in calls(path) if name == unsafe]


def test_no_process_is_started_through_a_shell() -> None:
    assert not [path for path in MODULES for _, node in calls(path) if given(node, "shell") == "True"]


def test_code_is_run_only_where_it_is_pinned() -> None:
    found = {
        path.relative_to(ROOT).as_posix() for path in MODULES for name, _ in calls(path) if name in ("eval", "exec")
    }
    assert found == set(RUN_CODE)


def test_no_model_brings_its_own_code() -> None:
    assert not [
        path for path in MODULES for _, node in calls(path) if given(node, "trust_remote_code") not in ("", "False")
    ]


def test_no_request_follows_a_redirect_or_skips_certificates() -> None:
    for path in MODULES:
        for _, node in calls(path):
            assert given(node, "follow_redirects") in ("", "False"), path
            assert given(node, "verify") != "False", path


def test_templates_escape_what_they_are_given() -> None:
    made = [
        (path, node) for path in MODULES for name, node in calls(path) if name.endswith("Environment") and node.keywords
    ]
    html = [
        node
        for path, node in made
        if "html" in path.read_text(encoding="utf-8") and "jinja2" in path.read_text(encoding="utf-8")
    ]
    assert html
    assert {given(node, "autoescape") for node in html} == {"True"}


def test_no_template_marks_text_as_safe() -> None:
    templates = [path for package in PACKAGES for path in (ROOT / package).rglob("*.html")]
    assert templates
    assert not [path for path in templates if "autoescape false" in path.read_text(encoding="utf-8")]


def test_tokens_are_compared_in_constant_time() -> None:
    """Wherever a secret stands in a comparison, it is with nothing."""
    secret = re.compile(r"\b(_?bearer|_?reward|_?cookie|tokens?\.\w+)\b(?!')")
    for path in (ROOT / "servers" / "auth.py", ROOT / "servers" / "gateway" / "web" / "door.py"):
        compared = [node for node in nodes(path) if isinstance(node, ast.Compare)]
        found = [ast.unparse(node) for node in compared if secret.search(ast.unparse(node))]
        assert found
        assert not [text for text in found if not text.endswith(("is None", "is not None"))]
        assert "hmac.compare_digest" in path.read_text()


def test_every_test_that_the_threat_model_names_is_there() -> None:
    named = re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", (ROOT / "docs" / "security.md").read_text(encoding="utf-8"))
    assert len(named) > 40
    for file, test in named:
        assert f"def {test}" in (ROOT / "tests" / file).read_text(encoding="utf-8"), (file, test)
