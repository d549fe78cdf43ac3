"""Search: index build rate and memory, query times, verdict times, over a synthetic corpus.

Run: python benchmarks/search_corpus.py [--pages 1000000] [--folder FOLDER] [--json OUT]

The pages are generated as a JSON Lines file first (seeded; words by Zipf's law over 200,000, 20 to 80 to a page), so
that the build reads what a user's would. Each part runs in a process of its own and reports its peak of memory.
Queries take 2 to 8 words, rare and common ones; verdicts compare two queries each of which the index has not seen.
All of it on one thread and without HTTP; the index has just been written, so that its files are in the page cache.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

VOCABULARY = 200_000


def generate(file: Path, pages: int) -> dict[str, Any]:
    chance = random.Random(1)
    weights = [1 / (rank + 10) for rank in range(VOCABULARY)]
    total, sums = 0.0, []
    for weight in weights:
        total += weight
        sums.append(total)
    with file.open("w", encoding="utf-8") as out:
        for number in range(pages):
            drawn = chance.choices(range(VOCABULARY), cum_weights=sums, k=chance.randrange(20, 81))
            text = " ".join(f"w{word}" for word in drawn)
            page = {"url": f"https://pages.invalid/{number}", "title": f"Page {number}", "text": text}
            out.write(json.dumps(page) + "\n")
    return {"file_bytes": file.stat().st_size}


def built(file: Path, folder: Path) -> dict[str, Any]:
    from pivotgym.envs.browsing.search.catalogue import read_pages
    from pivotgym.envs.browsing.search.index import build

    began, cpu = time.perf_counter(), time.process_time()
    about = build(read_pages(file), folder, name="synthetic")
    seconds = time.perf_counter() - began
    size = sum(part.stat().st_size for part in folder.rglob("*") if part.is_file())
    return {
        "pages": about.pages,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "pages_per_second": round(about.pages / seconds),
        "index_bytes": size,
        "digest": about.digest,
    }


def queried(folder: Path, count: int) -> dict[str, Any]:
    from pivotgym.envs.browsing.search.index import Corpus

    chance = random.Random(2)
    corpus = Corpus(folder)
    asked = [_query(chance) for _ in range(count)]
    return {"queries": count, **_timed([lambda query=query: corpus.search(query) for query in asked])}


def verdicts(folder: Path, count: int) -> dict[str, Any]:
    from pivotgym.core.messages import Action
    from pivotgym.core.trajectory import Origin, Pivot
    from pivotgym.envs.base import sources
    from pivotgym.envs.base.runtime import Runtime
    from pivotgym.envs.browsing import domain

    def search(query: str) -> Action:
        return Action.model_validate({"tool_calls": [{"name": "search", "arguments": {"query": query}}]})

    sources.configure({"corpus": folder})
    runtime, chance = Runtime(domain()), random.Random(3)
    origin = Origin.model_validate({"kind": "corpus", "corpus": "synthetic"})
    pairs = []
    for number in range(count):
        query = _query(chance)
        pivot = Pivot(id=f"run-{number}:0", domain="browsing", messages=[], reference=search(query), origin=origin)
        pairs.append((pivot, search(f"{query} w{chance.randrange(VOCABULARY)}")))
    runtime.verify(*pairs[0])
    return {"verdicts": count, **_timed([lambda pair=pair: runtime.verify(*pair) for pair in pairs])}


def _query(chance: random.Random) -> str:
    return " ".join(f"w{int(VOCABULARY ** chance.random())}" for _ in range(chance.randrange(2, 9)))


def _timed(calls: list[Any]) -> dict[str, Any]:
    times, began = [], time.perf_counter()
    for call in calls:
        start = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - start))
    times.sort()
    return {
        "per_second": round(len(times) / (time.perf_counter() - began)),
        "ms_p50": round(statistics.median(times), 2),
        "ms_p99": round(times[int(0.99 * len(times))], 2),
        "ms_max": round(times[-1], 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=2000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--part", choices=("generate", "build", "query", "verdicts"))
    options = parser.parse_args()
    if options.part:
        file, index = options.folder / "pages.jsonl", options.folder / "index"
        parts = {
            "generate": lambda: generate(file, options.pages),
            "build": lambda: built(file, index),
            "query": lambda: queried(index, options.queries),
            "verdicts": lambda: verdicts(index, options.queries),
        }
        found = parts[options.part]()
        found["peak_rss_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps(found))
        return
    with tempfile.TemporaryDirectory(prefix="pivotgym-search-") as made:
        folder = options.folder or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        report = {part: _part(part, folder, options) for part in ("generate", "build", "query", "verdicts")}
    text = json.dumps(report, indent=2)
    print(text)
    if options.json:
        options.json.write_text(text + "\n")


def _part(part: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    command = [sys.executable, __file__, "--part", part, "--folder", str(folder)]
    command += ["--pages", str(options.pages), "--queries", str(options.queries)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    main()
