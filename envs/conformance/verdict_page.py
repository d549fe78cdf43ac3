"""The verdict benchmark as a page of the docs, and its figures as JSON without a word of the cases.

Owns: what the page says and how tables look in Markdown. Does not own: the figures (`envs.conformance.verdict_bench`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_NAMES = {
    "pivotgym": "PivotGym",
    "exact_match": "exact match",
    "similarity": "tuned string similarity",
    "nemo_gym": "NeMo Gym's rules",
    "judge": "judge",
}
_METHODS = {
    "pivotgym": "the functional verifier: both actions run in two forks of the state wherever it can be built.",
    "exact_match": "equal text and equal calls (the paper's Eq. 2).",
    "similarity": "the best of {scorers} string similarities (rapidfuzz) with the best threshold, both tuned with "
    "labels on one half of the cases and scored on the other, and the other way round. No task is in both halves.",
    "nemo_gym": "what NVIDIA's NeMo Gym scores such rows with, reimplemented and checked against recorded rewards "
    "(`pivotgym.verifiers.nemo_gym`), with the settings it ships.",
    "judge": "a language model that sees the conversation and both actions, in both orders: {judge}.",
}


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, left: int = 1) -> str:
    """A Markdown table; the first `left` columns stand left, the others right. Bars in cells are escaped."""
    aligned = ["---" if place < left else "---:" for place in range(len(heads))]
    lines = [heads, aligned, *([cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def page(found: Mapping[str, Any], *, command: str, machine: str, judge: str = "") -> str:
    """The page in Markdown.

    Args:
        found: What `verdict_bench.report` gave.
        command: What made it.
        machine: What it ran on, in words.
        judge: The judge's model, where one was asked.
    """
    methods = found["methods"]
    ours = methods["pivotgym"]
    first = next(iter(methods.values()))
    return (
        "\n\n".join(
            [
                "# Verdicts, measured",
                "How often a verifier is right about whether an action does what the expert's does, on "
                f"{first['with_world_knowledge']['cases']} labelled pairs of actions. Labels come from execution, "
                "official checkers and construction, never from one of the verifiers measured here. Made by "
                f"`{command}`; do not edit.",
                "\n".join(f"- **{_NAMES[name]}**: {_described(name, found, judge)}" for name in methods),
                "Intervals are 95 % (Wilson; of the balanced accuracy, Zou and Donner's combination of two). They take "
                "cases as independent; cases of one task are not quite. An error (a state that could not be built) "
                "is no verdict and counted apart. " + _apart(found, ours),
                "## By domain",
                _by_domain(methods),
                "## Cost",
                f"On {machine}. *First* has the building of the state in it, *again* is the same call once more; rules "
                "that run nothing build nothing. CPU is of the first call: this process and children that ended in it. "
                "One verdict at a time.",
                _costs(methods),
                "## By kind",
                "Wrong verdicts by how the pair was made. A `-` is a method without a verdict.",
                _by_kind(methods),
                *_tuned(found),
            ]
        )
        + "\n"
    )


def figures(found: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of the page as JSON, without a text of the cases: `methods` has the rates, `by_domain` and `cost`.

    A kind's entry in `by_kind` has the counts alone.
    """
    return {
        "schema_version": found["schema_version"],
        "world_knowledge_kinds": found["world_knowledge_kinds"],
        "tuned": found.get("tuned"),
        "methods": {name: _figures(one) for name, one in found["methods"].items()},
    }


_RATES = ("cases", "errors", "balanced_accuracy", "intervals_95")
_COUNTS = ("different", "false_accepts", "equivalent", "false_rejects")
_COSTS = ("ms_per_verdict", "warm_ms_per_verdict", "cpu_ms_per_verdict")


def _figures(found: Mapping[str, Any]) -> dict[str, Any]:
    def picked(one: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
        return {key: one[key] for key in keys}

    kinds = found["by_domain_and_kind"]
    return {
        **picked(found, _RATES + _COUNTS),
        "by_domain": {name: picked(one, _RATES + _COUNTS) for name, one in found["headline_by_domain"].items()},
        "cost": {name: picked(one, _COSTS) for name, one in found["by_domain"].items()},
        "by_kind": {domain: {kind: picked(one, _COUNTS) for kind, one in of.items()} for domain, of in kinds.items()},
    }


def method_name(method: str) -> str:
    """A method's name for people."""
    return _NAMES.get(method, method)


def share_with_interval(count: int, total: int, interval: Sequence[float] | None) -> str:
    """A rate as `1/20 (5.0 %; 0.9 to 23.6)`."""
    if not total or interval is None:
        return "-"
    return f"{count}/{total} ({100 * count / total:.1f} %; {100 * interval[0]:.1f} to {100 * interval[1]:.1f})"


def _described(name: str, found: Mapping[str, Any], judge: str) -> str:
    return _METHODS[name].format(scorers=len(found.get("scorers", ())) or "several", judge=judge or "not named")


def _apart(found: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    kinds, known = found["world_knowledge_kinds"], ours["world_knowledge"]
    if not known["cases"]:
        return ""
    return (
        f"Pairs of the kind `{'`, `'.join(kinds)}` ({known['cases']}) can only be decided by knowing the world and "
        "stand in the table by kind alone."
    )


def _by_domain(methods: Mapping[str, Any]) -> str:
    heads = ("domain", "method", "cases", "balanced accuracy", "false accepts", "false rejects", "errors")
    names = list(dict.fromkeys(name for found in methods.values() for name in found["headline_by_domain"]))
    rows = [
        _rates(domain, _NAMES[name], found["headline_by_domain"][domain])
        for domain in names
        for name, found in methods.items()
    ]
    rows += [_rates("all", _NAMES[name], found) for name, found in methods.items()]
    return markdown_table(heads, rows, left=2)


def _rates(domain: str, name: str, found: Mapping[str, Any]) -> list[str]:
    accuracy, ends = found["balanced_accuracy"], found["intervals_95"]
    within = ends["balanced_accuracy"]
    return [
        domain,
        name,
        str(found["cases"]),
        "-" if accuracy is None else f"{accuracy:.3f} ({within[0]:.3f} to {within[1]:.3f})",
        share_with_interval(found["false_accepts"], found["different"], ends["false_accept_rate"]),
        share_with_interval(found["false_rejects"], found["equivalent"], ends["false_reject_rate"]),
        str(found["errors"]),
    ]


def _costs(methods: Mapping[str, Any]) -> str:
    heads = ("domain", "method", "first, ms p50", "p95", "again, ms p50", "p95", "verdicts/s again", "CPU ms mean")
    rows = []
    for name, found in methods.items():
        for domain, one in found["by_domain"].items():
            first, cpu = one["ms_per_verdict"], one["cpu_ms_per_verdict"]
            again = one["warm_ms_per_verdict"] or (None if name == "pivotgym" else first)
            cells = [_ms(first, "p50"), _ms(first, "p95"), _ms(again, "p50"), _ms(again, "p95")]
            rate = "-" if not again or not again["mean"] else f"{1000 / again['mean']:,.0f}"
            rows.append([domain, _NAMES[name], *cells, rate, _ms(cpu, "mean")])
    order = list(dict.fromkeys(row[0] for row in rows))
    return markdown_table(heads, sorted(rows, key=lambda row: order.index(row[0])), left=2)


def _ms(times: Mapping[str, float] | None, key: str) -> str:
    return "-" if times is None else f"{times[key]:.0f}" if times[key] >= 100 else f"{times[key]:.2f}"


def _by_kind(methods: Mapping[str, Any]) -> str:
    heads = ("domain", "kind", "label", "cases", *(_NAMES[name] for name in methods))
    first = next(iter(methods.values()))
    rows = []
    for domain, kinds in first["by_domain_and_kind"].items():
        for kind in kinds:
            all_of = [found["by_domain_and_kind"][domain][kind] for found in methods.values()]
            most = max(all_of, key=lambda one: one["verdicts"])
            label = " and ".join(name for name in ("equivalent", "different") if most[name]) or "-"
            wrong = [f"{one['false_accepts'] + one['false_rejects']}" if one["verdicts"] else "-" for one in all_of]
            rows.append([domain, kind, label, str(most["cases"]), *wrong])
    return markdown_table(heads, rows, left=3)


def _tuned(found: Mapping[str, Any]) -> list[str]:
    tuned = found.get("tuned")
    if not tuned:
        return []
    rows = [
        [domain, *(f"{one['scorer']}, from {one['threshold']:.3f}" for one in halves)]
        for domain, halves in tuned.items()
    ]
    return [
        "## What string similarity was tuned to",
        markdown_table(("domain", "on one half", "on the other"), rows, left=3),
    ]
