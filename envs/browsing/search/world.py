"""The world of a search engine: searches, pages opened, words found, and the answer that ends it.

Owns: actions -> effects, and the state: the pages that are open, the last one in front, and the answer. Does not own:
the index (`envs.browsing.search.index`), what is shown (`envs.browsing.search.showing`), or verdicts
(`verifiers.search`). A search changes nothing; what was opened counts as a set, but for the page in front.

Origins: `corpus` with `corpus`, a name (`envs.browsing.search.catalogue`); `recorded: "elsewhere"` says that the
observations of the prefix come from another engine, so that a replay opens the same pages and compares no texts.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

from pivotgym.core.canonical import digest
from pivotgym.core.errors import InputError, WrongState
from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Effects, Origin, Step
from pivotgym.envs.base.contract import Task, World
from pivotgym.envs.browsing.search import showing
from pivotgym.envs.browsing.search.catalogue import corpus
from pivotgym.envs.browsing.search.index import Corpus, key_of
from pivotgym.verifiers.searching.answers import same_answer
from pivotgym.verifiers.searching.requests import Request, requests_of

KIND = "corpus"
RESULTS = 10
_FIELDS = {"corpus", "recorded"}


class SearchWorld(World):
    """A search engine over one corpus. Reads only, so a fork is a copy of a few references."""

    version: ClassVar[str] = "1"

    def __init__(self) -> None:
        self._corpus: Corpus | None = None
        self._opened: tuple[str, ...] = ()
        self._answer: str | None = None
        self._elsewhere = False

    @property
    def corpus(self) -> Corpus:
        """The corpus.

        Raises:
            WrongState: Before `start`, or after `close`.
        """
        if self._corpus is None:
            raise WrongState("world: it is not started, or closed", hint="call start first")
        return self._corpus

    def start(self, origin: Origin, seed: int) -> None:
        """See `World.start`; the seed changes nothing."""
        self._corpus = corpus(_named(origin))
        self._elsewhere = origin.get("recorded") == "elsewhere"
        self._opened, self._answer = (), None

    def identity(self, origin: Origin) -> Any:
        """See `World.identity`: the content of the corpus, whatever its name and file."""
        return {"kind": KIND, "corpus": corpus(_named(origin)).about.digest, "recorded": origin.get("recorded")}

    def run(self, action: Action) -> Effects:
        """Run the calls of an action in order.

        `detail["requests"]` says for each what it reached: for a search the addresses of each query's results; for
        pages their addresses, where the corpus has them the one they are kept under, and a digest of the text; for
        words found the passages; for an answer its text.
        """
        before = self.digest()
        observations, failed, reached = [], [], []
        for request in requests_of(action):
            refused = self._answer is not None
            text, error, what = (
                ("Error: the answer was given, no call can follow", True, {}) if refused else self._one(request)
            )
            observations.append(text)
            failed.append(error)
            reached.append({"does": request.does, "values": list(request.values), **what})
        return Effects(
            observations=observations,
            state=self.digest(),
            before=before,
            failed=failed,
            detail={"requests": reached, "said": "" if action.tool_calls else action.content},
        )

    def _one(self, request: Request) -> tuple[str, bool, dict[str, Any]]:
        """What one call shows, whether it failed, and what it reached."""
        if request.problem:
            return f"Error: {request.problem}", True, {}
        if request.does == "search":
            return self._search(request)
        if request.does == "open":
            return self._open(request)
        if request.does == "find":
            return self._find(request)
        if request.does == "finish":
            self._answer = request.values[0]
            return "The answer was given.", False, {}
        return f"Error: there is no tool called {request.call.name!r} here", True, {}

    def _search(self, request: Request) -> tuple[str, bool, dict[str, Any]]:
        found = [self.corpus.search(query, RESULTS) for query in request.values]
        text = showing.BETWEEN.join(map(showing.results, request.values, found))
        return text, False, {"results": [[key_of(hit.page.url) for hit in hits] for hits in found]}

    def _open(self, request: Request) -> tuple[str, bool, dict[str, Any]]:
        shown, pages, missing = [], [], 0
        for url in request.values:
            page = self.corpus.page(url)
            if page is None:
                shown.append(f"Error: no page is known at {url[:300]}")
                pages.append({"address": key_of(url), "text": None})
                missing += 1
                continue
            key = key_of(page.url)
            self._opened = (*(one for one in self._opened if one != key), key)
            shown.append(showing.page(page, request.goal))
            # What stands on a page is what it is: two addresses of the same text are one page. A snippet is not that.
            text = digest([page.title, page.text]) if page.whole and page.text.strip() else None
            pages.append({"address": key, "text": text})
        return showing.BETWEEN.join(shown), missing == len(pages), {"pages": pages}

    def _find(self, request: Request) -> tuple[str, bool, dict[str, Any]]:
        url = request.page or (self._opened[-1] if self._opened else "")
        page = self.corpus.page(url) if url else None
        if page is None:
            where = (
                f"no page is known at {url[:300]}" if url else "no page is open; open one first, or name it in `url`"
            )
            return f"Error: {where}", True, {}
        found = [showing.passages(page.text, wanted) for wanted in request.values]
        shown = [
            "\n".join(f"- {one}" for one in passages) or f"'{wanted}' was not found on the page."
            for wanted, passages in zip(request.values, found, strict=True)
        ]
        return showing.BETWEEN.join(shown), False, {"page": key_of(page.url), "passages": found}

    def replay(self, step: Step, number: int) -> None:
        """See `World.replay`; observations that were recorded elsewhere are not compared."""
        super().replay(step.model_copy(update={"observations": None}) if self._elsewhere else step, number)

    def over(self) -> bool:
        """See `World.over`: after an answer."""
        return self._answer is not None

    def fork(self) -> Self:
        """See `World.fork`."""
        copy = type(self)()
        copy._corpus, copy._opened, copy._answer = self.corpus, self._opened, self._answer
        copy._elsewhere = self._elsewhere
        return copy

    def digest(self) -> str:
        """See `World.digest`: the corpus, the pages that were opened, the one in front, and the answer."""
        front = self._opened[-1] if self._opened else None
        return digest([self.corpus.about.digest, sorted(self._opened), front, self._answer])

    def outcome(self, task: Task) -> float:
        """1.0 if the answer given is one of the task's `metadata["answers"]`, else 0.0."""
        given = self._answer
        due = task.metadata.get("answers", ())
        question = next((message.text for message in task.messages if message.role == "user"), "")
        return float(given is not None and any(same_answer(one, given, question) for one in due))

    def close(self) -> None:
        """See `World.close`; the corpus stays open for others."""
        self._corpus = None


def _named(origin: Origin) -> str:
    if origin.kind != KIND:
        raise InputError(f"origin: expected the kind {KIND!r}, got {origin.kind!r}")
    unknown = sorted((origin.model_extra or {}).keys() - _FIELDS)
    if unknown:
        raise InputError(f"origin of kind {KIND!r}: no field is called {unknown[0]!r}")
    name = origin.get("corpus")
    if not isinstance(name, str):
        raise InputError(f"origin of kind {KIND!r}: corpus: expected a corpus's name, got {name!r:.80}")
    if origin.get("recorded") not in (None, "elsewhere"):
        raise InputError(f"origin of kind {KIND!r}: recorded: expected 'elsewhere', got {origin.get('recorded')!r:.80}")
    return name
