"""Search verdicts on rewritten real queries, labelled by an independent, exact BM25 over the same pages.

Run: python benchmarks/search_rewrites.py --runs webdancer_search.jsonl --corpus search_corpus.jsonl

Each query of the runs is rewritten by rule, and paired with the other queries of its run. The label is a BM25's that
shares no code with the index (definition: the data's README): 1 where the best page is the same and the ten best have
Jaccard's index of 0.6 or more, 0 where it is 0.06 or less, none between. A year that is shifted is 0 by construction.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
import tempfile
from collections import Counter, defaultdict
from itertools import combinations
from pathlib import Path

from pivotgym.core.readers.chat import read_chat
from pivotgym.core.trajectory import steps_of
from pivotgym.envs.browsing.search.catalogue import read_pages
from pivotgym.envs.browsing.search.index import Corpus, build
from pivotgym.verifiers.searching import queries
from pivotgym.verifiers.searching.requests import requests_of

_STOP = (
    "the a an of in on for to and or is was what who when where which by with from at as about information details "
    "find did does do how"
)
STOP = frozenset(_STOP.split())
SYNONYMS = {
    "born": "birth", "company": "firm", "movie": "film", "founded": "established", "city": "town", "author": "writer",
    "famous": "well-known", "history": "background", "website": "site", "award": "prize", "UK": "United Kingdom",
    "US": "American", "largest": "biggest", "released": "release", "discovered": "discovery",
}  # fmt: skip


class Labels:
    """The independent BM25."""

    def __init__(self, corpus: Path) -> None:
        self.lists: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self.lengths: list[int] = []
        for number, line in enumerate(corpus.read_text(encoding="utf-8").splitlines()):
            row = json.loads(line)
            counts = Counter(map(_singular, re.findall("[a-z0-9]+", f"{row['title']} {row['snippet']}".lower())))
            self.lengths.append(sum(counts.values()))
            for word, count in counts.items():
                self.lists[word].append((number, count))

    def best(self, query: str) -> list[int]:
        """The ten best pages."""
        pages, mean = len(self.lengths), sum(self.lengths) / len(self.lengths)
        scores: Counter[int] = Counter()
        for word in {_singular(word) for word in re.findall("[a-z0-9]+", query.lower()) if word not in STOP}:
            found = self.lists.get(word, [])
            idf = math.log(1 + (pages - len(found) + 0.5) / (len(found) + 0.5))
            for number, count in found:
                scores[number] += idf * count * 2.2 / (count + 1.2 * (0.25 + 0.75 * self.lengths[number] / mean))
        return sorted(scores, key=lambda number: (-scores[number], number))[:10]

    def label(self, expert: str, candidate: str) -> int | None:
        """1 for the same evidence, 0 for other, `None` between."""
        ours, theirs = self.best(expert), self.best(candidate)
        if not ours or not theirs:
            return None
        common = len(set(ours) & set(theirs)) / len(set(ours) | set(theirs))
        if common >= 0.6 and ours[0] == theirs[0]:
            return 1
        return 0 if common <= 0.06 else None


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def rewrites(query: str, chance: random.Random) -> dict[str, str]:
    """A query rewritten by each rule that applies."""
    said = query.split()
    cut = chance.randrange(len(said))
    found = {
        "case and punctuation": re.sub("[,'?]", "", query.lower()),
        "order": " ".join(said[cut:] + said[:cut]),
        "stop words dropped": " ".join(word for word in said if word.lower() not in STOP),
        "last word dropped": " ".join(said[:-1]),
        "first word dropped": " ".join(said[1:]),
        "word added": f"{query} {chance.choice(('overview', 'wikipedia', 'explained', 'facts', 'official'))}",
    }
    known = next((word for word in said if word in SYNONYMS), None)
    if known is not None:
        found["synonym"] = " ".join(SYNONYMS[word] if word == known else word for word in said)
    year = re.search(r"\b(1[5-9]|20)\d\d\b", query)
    if year is not None:
        found["year shifted"] = query.replace(year[0], str(int(year[0]) + chance.choice((-7, 3, 11))))
    return {rule: text for rule, text in found.items() if text and text != query}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--corpus", type=Path, required=True)
    options = parser.parse_args()
    labels, chance = Labels(options.corpus), random.Random(1)
    table: dict[str, Counter[str]] = defaultdict(Counter)
    with tempfile.TemporaryDirectory() as folder:
        build(read_pages(options.corpus), Path(folder) / "index", name="pages")
        corpus = Corpus(Path(folder) / "index")

        def judge(rule: str, expert: str, candidate: str) -> None:
            label = 0 if rule == "year shifted" else labels.label(expert, candidate)
            if label is None:
                table[rule]["no label"] += 1
                return
            found = [[hit.page.url for hit in corpus.search(query)] for query in (expert, candidate)]
            same = queries.by_results(expert, candidate, *found).same
            table[rule]["equivalent" if label else "different"] += 1
            table[rule]["wrong"] += same != bool(label)

        for run in read_chat(options.runs):
            asked = [one for step in steps_of(run.messages) for one in requests_of(step.action) if one.does == "search"]
            texts = [query for one in asked for query in one.values]
            for query in texts:
                for rule, text in rewrites(query, chance).items():
                    judge(rule, query, text)
            for expert, candidate in combinations(texts, 2):
                judge("another query of the run", expert, candidate)
    for rule, counts in table.items():
        print(
            f"{rule:26} "
            + "  ".join(f"{name} {counts[name]}" for name in ("equivalent", "different", "no label", "wrong"))
        )


if __name__ == "__main__":
    main()
