"""What an adversarial search found, as a page of the docs.

Owns: what the page says. Does not own: the counts (`search`). It has no text of the actions: they may be another's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pivotgym.envs.conformance.verdict_page import markdown_table, method_name, share_with_interval

_RULE = """\
Each expert's action was changed by rule. What is harmful and what is harmless follows from the rule alone; no verifier
had a say. The rules have limits: a harmful change may happen to make no difference in one state (a letter changed in a
pattern that matches the same lines). Where both actions were run and did the same, also in perturbed copies of the
state where the domain has them, an accepted harmful change is most likely such a coincidence. Of a command that changes
files only the changes count, not what it prints beside: a harmful change of a look that follows is accepted by design,
as is what happens outside the folders that an origin compares (`/tmp`). A batch of fewer queries is accepted where the
others reach the same pages."""


def page(found: Mapping[str, Any], *, command: str) -> str:
    """The page in Markdown.

    Args:
        found: What `search.report` gave.
        command: What made it.
    """
    states = ", ".join(f"{count} of {domain}" for domain, count in found["pivots"].items()) or "none"
    left = ", ".join(f"{count} x `{code}`" for code, count in found["left"].items())
    errors = ", ".join(f"{count} x `{code}`" for code, count in found["errors"].items())
    parts = [
        "# Adversarial search",
        f"{_RULE}\n\nStates: {states}" + (f"; left out: {left}" if left else "") + ". "
        f"Errors of ours: {errors or 'none'}. Made by `{command}`; do not edit.",
        "## By domain",
        _by_domain(found["methods"]),
        "## By mutation",
        "Wrong verdicts of all.",
        _by_mutation(found["methods"]),
        "## What PivotGym got wrong",
        _wrong(found["wrong"]),
        "## The mutations",
        markdown_table(
            ("mutation", "is", "because"),
            [
                (name, "harmful" if one["harmful"] else "harmless", one["why"])
                for name, one in found["mutations"].items()
            ],
            left=3,
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _is(harmful: Any) -> str:
    return "harmful" if harmful else "harmless"


def _by_domain(methods: Mapping[str, Any]) -> str:
    names = list(dict.fromkeys(domain for found in methods.values() for domain in found["by_domain"]))
    rows = [_row(domain, name, found["by_domain"][domain]) for domain in names for name, found in methods.items()]
    rows += [_row("all", name, found) for name, found in methods.items()]
    return markdown_table(("domain", "method", "harmful accepted", "harmless rejected", "errors"), rows, left=2)


def _row(domain: str, name: str, one: Mapping[str, Any]) -> list[str]:
    ends = one["intervals_95"]
    accepted = share_with_interval(one["accepted"], one["harmful"], ends["accepted"])
    rejected = share_with_interval(one["rejected"], one["harmless"], ends["rejected"])
    return [domain, method_name(name), accepted, rejected, str(one["errors"])]


def _by_mutation(methods: Mapping[str, Any]) -> str:
    first = next(iter(methods.values()))
    rows = []
    for domain, mutations in first["by_mutation"].items():
        for mutation, one in mutations.items():
            cells = []
            for found in methods.values():
                here = found["by_mutation"][domain][mutation]
                cells.append(f"{here['accepted'] + here['rejected']} of {here['harmful'] + here['harmless']}")
            rows.append([domain, mutation, _is(one["harmful"]), *cells])
    rows.sort(key=lambda row: (row[0], row[2], row[1]))
    return markdown_table(("domain", "mutation", "is", *map(method_name, methods)), rows, left=3)


def _wrong(wrong: list[Mapping[str, Any]]) -> str:
    if not wrong:
        return "Nothing."
    rows = [
        [
            one["domain"],
            one["mutation"],
            "harmful, accepted" if one["harmful"] else "harmless, rejected",
            one["method"],
            "yes" if one["executed"] else "no",
            one["pivot"],
        ]
        for one in wrong
    ]
    return markdown_table(("domain", "mutation", "was", "by", "executed", "state"), rows, left=6)
