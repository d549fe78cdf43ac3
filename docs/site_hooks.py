"""What the docs site shows beside the pages of `docs/`: files of the repository, the HTTP routes, the Python API.

Owns: making those pages at build time, so that nothing is written twice. Does not own: what they say (READMEs,
docstrings, the route tables), nor how a route is described (`servers.api_text`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import pivotgym
from pivotgym.servers import api_text, app
from pivotgym.servers.gateway import service
from pivotgym.servers.gateway.web.pages import twins
from pivotgym.servers.openapi import document
from pivotgym.servers.policy import routes as policy
from pivotgym.servers.policy.schemas import PolicyErrorBody

ROOT = Path(__file__).parents[1]
SHOWN = {
    "index.md": "README.md",
    "tool_use.md": "envs/tool_use/README.md",
    "terminal.md": "envs/terminal/README.md",
    "swe.md": "envs/swe/README.md",
    "browsing.md": "envs/browsing/README.md",
    "servers.md": "servers/README.md",
    "docker.md": "docker/README.md",
    "learning.md": "trainer/learn/README.md",
    "openrlhf.md": "trainer/openrlhf/README.md",
    "study.md": "study/README.md",
    "study-arms.md": "study/ARMS.md",
    "examples.md": "examples/README.md",
    "changelog.md": "CHANGELOG.md",
}
"""Page of the site -> file of the repository."""

PACKAGES = ("core", "verifiers", "envs", "servers", "trainer", "study")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made."""
    for page, source in SHOWN.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    for page, text in {**http_pages(), **dict(python_pages())}.items():
        files.append(File.generated(config, page, content=text))
    return files


def http_pages() -> dict[str, str]:
    """The routes of the three servers, as Markdown."""
    version = pivotgym.__version__
    below = "Routes of its own; below `/{domain}` those of an environment server."
    shapes = "In the shapes of OpenAI's API."
    described: dict[str, dict[str, Any]] = {
        "http-environment.md": document("Environment server", version, "Serves one domain.", app.ROUTES),
        "http-gateway.md": document("Gateway", version, below, (*service.ROUTES, *twins())),
        "http-policy.md": document("Policy server", version, shapes, policy.ROUTES, error=PolicyErrorBody),
    }
    return {page: api_text.markdown(found) for page, found in described.items()}


def python_pages() -> Iterator[tuple[str, str]]:
    """A page for each module that others may import."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if parts[-1] == "__init__" or any(part.startswith("_") for part in parts):
                continue
            name = ".".join(("pivotgym", *parts))
            yield f"python/{'/'.join(parts)}.md", f"::: {name}\n"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the Python pages, by package, where the navigation says `PYTHON`."""
    tree: dict[str, Any] = {}
    for page, _ in python_pages():
        *folders, name = page.removeprefix("python/").removesuffix(".md").split("/")
        place = tree
        for folder in folders:
            place = place.setdefault(folder, {})
        place[f"{name}.py"] = page
    for entry in config.nav or ():
        if "Python API" in entry:
            entry["Python API"] = _nav(tree)
    return config


def _nav(tree: dict[str, Any]) -> list[dict[str, Any]]:
    """Modules of a folder before the folders in it."""
    ordered = sorted(tree.items(), key=lambda pair: (isinstance(pair[1], dict), pair[0]))
    return [{name: _nav(under) if isinstance(under, dict) else under} for name, under in ordered]
