"""An OpenAPI document as text: a page without scripts, for `/docs` and for the docs site.

Owns: describing routes and schemas in Markdown, and making a page of that. Does not own: the document (`openapi`).
"""

from __future__ import annotations

import html
import json
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from itertools import pairwise
from typing import Any

Json = dict[str, Any]

_STYLE = """
html { color-scheme: light dark }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif }
h3 { margin-top: 2.5rem } table { border-collapse: collapse; display: block; overflow-x: auto }
td, th { border-bottom: 1px solid #8886; padding: .25rem .75rem .25rem 0; text-align: left; vertical-align: top }
code { overflow-wrap: anywhere }
"""
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>{style}</style></head>
<body><p>As JSON: <a href="openapi.json">openapi.json</a></p>
{body}</body></html>
"""
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {"content-security-policy": _POLICY, "x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}
"""Headers of the page: nothing in it may load, run or send anything."""

_BOUNDS = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "over",
    "exclusiveMaximum": "under",
    "minLength": "length at least",
    "maxLength": "length at most",
    "minItems": "items at least",
    "maxItems": "items at most",
    "pattern": "like",
}


def markdown(document: Json) -> str:
    """Routes and schemas of an OpenAPI 3.1 document.

    Args:
        document: As `openapi.document` makes it.
    """
    info = document["info"]
    lines = [f"# {info['title']}", "", info["description"], "", f"Version {info['version']}.", "", "## Routes", ""]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            lines += _route(method.upper(), path, operation)
    lines += ["## Errors", "", *_errors(document), "## Schemas", ""]
    for name, schema in sorted(document["components"]["schemas"].items()):
        lines += _schema(name, schema)
    return "\n".join(lines)


def page(document: Json) -> bytes:
    """The same as a web page that asks for nothing else, to be served with `HEADERS`."""
    from markdown_it import MarkdownIt  # on the first reader of the page, not at each start

    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = reader.parse(markdown(document))
    for opening, inside in pairwise(tokens):
        if opening.type == "heading_open":
            opening.attrSet("id", inside.content.lower())
    body = reader.renderer.render(tokens, reader.options, {})
    title = html.escape(document["info"]["title"])
    return _PAGE.format(title=title, style=_STYLE, body=body).encode()


def _route(method: str, path: str, operation: Json) -> Iterator[str]:
    told = operation["description"] or f"{operation['summary']}."
    yield from (f"### `{method} {path}`", "", told, "")
    for parameter in operation.get("parameters", ()):
        yield f"- `{parameter['name']}` ({parameter['in']}): {_kind(parameter['schema'])}"
    if "requestBody" in operation:
        yield f"- takes {_content(operation['requestBody'])}"
    yield f"- answers {_content(operation['responses']['200'])}"
    yield "- needs the bearer token" if operation["security"] else "- open without the bearer token"
    yield ""


def _errors(document: Json) -> Iterator[str]:
    yield from ("Every route may answer these, as JSON.", "", "| status | |", "|---|---|")
    first = next(iter(next(iter(document["paths"].values())).values()))
    for status, answer in first["responses"].items():
        if status != "200":
            yield f"| {status} | {_cell(answer['description'])} |"
    yield ""


def _schema(name: str, schema: Json) -> Iterator[str]:
    text, notes = _told(schema.get("description", ""))
    yield from (f"### {name}", "")
    if text:
        yield from (text, "")
    properties = schema.get("properties", {})
    if not properties:
        yield from (_kind(schema), "")
        return
    yield from ("| field | takes | |", "|---|---|---|")
    required = schema.get("required", ())
    for field, kind in properties.items():
        said = _cell(" ".join([*notes.get(field, ()), *([] if field in required else [_default(kind)])]))
        yield f"| `{field}` | {_cell(_kind(kind))} | {said} |"
    yield ""


def _default(schema: Json) -> str:
    return f"Default: `{json.dumps(schema['default'])}`." if "default" in schema else "Optional."


def _told(docstring: str) -> tuple[str, dict[str, list[str]]]:
    """A docstring as prose, and what its section `Attributes` says of each field."""
    prose, _, section = docstring.partition("\nAttributes:\n")
    notes: dict[str, list[str]] = {}
    last = ""
    for line in section.splitlines():
        name, colon, text = line.strip().partition(": ")
        if colon and line.startswith("    ") and not line.startswith("     "):
            last = name
            notes[name] = [text]
        elif last and line.strip():
            notes[last][0] += " " + line.strip()
    return " ".join(prose.split()), notes


def _content(body: Json) -> str:
    kinds = [f"{_kind(said['schema'])} (`{media}`)" for media, said in body["content"].items()]
    return " or ".join(kinds)


def _kind(schema: Json) -> str:
    """What a schema takes, in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return " or ".join(dict.fromkeys(_kind(each) for each in schema[choice]))
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return " or ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of ({_kind(schema['items'])})" if schema.get("items") else "list"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of ({_kind(schema['additionalProperties'])})"
    bounds = [f"{word} {schema[key]}" for key, word in _BOUNDS.items() if key in schema]
    return f"{kind} ({', '.join(bounds)})" if bounds else str(kind)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
