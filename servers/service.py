"""What all routes of one server share.

Owns: putting the runtime, the registries, the sessions, the pool and the metrics together. Does not own: any of them.
"""

from __future__ import annotations

from collections.abc import Iterable

from pivotgym.core.chat_server import ChatServer
from pivotgym.core.errors import ConfigError, TimedOut, Warming
from pivotgym.core.formats import format_names
from pivotgym.core.messages import Action, Malformed
from pivotgym.core.trajectory import Pivot, Verdict
from pivotgym.envs.base.contract import Domain
from pivotgym.envs.base.judges import LlmJudge
from pivotgym.envs.base.runtime import Runtime, known_rule
from pivotgym.servers.added import AddedPivots
from pivotgym.servers.metrics import Metrics
from pivotgym.servers.peers import Peers, Place
from pivotgym.servers.pivots import PivotRegistry
from pivotgym.servers.pool import Pool
from pivotgym.servers.schemas import Rule
from pivotgym.servers.sessions import SessionStore
from pivotgym.servers.settings import Settings, Tokens, read_tokens

WARMING_RETRY_S = 1.0
ALONE = Place()


def warming(late: TimedOut) -> Warming:
    """The answer where the time-out passed while a state was built."""
    return Warming(
        f"the state is still being built: {late.message}",
        hint=f"repeat the call later, or raise timeout_s; POST /pivots/prepare builds ahead; {late.hint}",
        retry_after_s=WARMING_RETRY_S,
        details=late.details,
    )


class Service:
    """The parts of one server.

    Args:
        domain: What is served: a domain, or a runtime that already serves one.
        pivots: Pivots known from the start, beside those the domain ships.
        settings: Limits, tokens and time-outs.
        place: Which of several worker processes this is.

    Raises:
        ConfigError: If the tokens do not fit the settings, there is no such format or rule, or the domain has no use
            for the judge or the user that the settings name.
        InputError: If a pivot does not fit the domain.
    """

    def __init__(
        self, domain: Domain | Runtime, pivots: Iterable[Pivot], settings: Settings, place: Place = ALONE
    ) -> None:
        self.settings = settings
        self.tokens: Tokens = read_tokens(settings)
        if settings.reward_format not in format_names():
            raise ConfigError(f"reward_format: expected one of {format_names()}, got {settings.reward_format!r}")
        known_rule(settings.nemo_gym_rule)
        self._owns_runtime = not isinstance(domain, Runtime)
        self.runtime = domain if isinstance(domain, Runtime) else Runtime(domain, max_states=settings.max_states)
        self.domain: Domain = self.runtime.domain
        self.judge = _judge(self.domain, settings.judge)
        if settings.user is not None:
            self.domain.use_user_model(settings.user)
        self.pivots = PivotRegistry(self.domain, settings.max_pivots, settings.max_origin_bytes)
        self.pivots.add([*self.domain.pivots(), *pivots])
        # A step may ask a model over the network: never on the event loop.
        quick = self.domain.inline and settings.judge is None and settings.user is None
        self.pool = Pool(settings.threads, settings.max_waiting, inline=quick)
        self.peers = Peers(place, settings.max_timeout_s)
        if place.folder is not None:
            self.pivots.added = AddedPivots(place.folder / "pivots.jsonl")
        share = (settings.max_sessions + place.count - 1 - place.index) // place.count
        self.sessions = SessionStore(self.pool, share, settings.idle_timeout_s, self.peers.new_id)
        self.metrics = Metrics()
        self.metrics.watch("sessions_live", "Sessions alive.", lambda: len(self.sessions))
        self.metrics.watch("pivots", "Pivots known.", lambda: len(self.pivots))
        self.metrics.watch("pool_unfinished", "Calls that run or wait for a thread.", lambda: self.pool.unfinished)
        self.metrics.watch("states_cached", "Restored states kept.", lambda: len(self.runtime.states))

    def unready(self) -> str | None:
        """Why the server cannot serve yet: what the domain lacks, or a judge that is down."""
        missing = self.domain.ready()
        if missing is not None:
            return f"the domain {self.domain.name!r} cannot serve yet: {missing}"
        down = self.judge.chat.down() if self.judge is not None else None
        return f"the judge is down: {down}" if down is not None else None

    def timeout(self, asked: float | None) -> float:
        """The time-out of a call, seconds."""
        return min(asked or self.settings.timeout_s, self.settings.max_timeout_s)

    def counted(self, verdict: Verdict) -> Verdict:
        """The verdict, once it is counted."""
        self.metrics.verdict(verdict.outcome, verdict.executed)
        return verdict

    async def close(self) -> None:
        """Close every session and let go of what is cached. Work that hangs on a thread is left behind."""
        await self.sessions.close_all()
        await self.peers.close()
        self.pool.close()
        if self.judge is not None:
            self.domain.use_judge(None)
            self.judge.close()
        if self._owns_runtime:
            self.runtime.close()
            self.domain.close()
        if self.pivots.added is not None:
            self.pivots.added.close()

    async def verify(self, pivot: Pivot, action: Action | Malformed, rule: Rule | None, timeout_s: float) -> Verdict:
        """Score one action: at once where no execution is needed, else on the pool.

        Raises:
            Warming: If the pivot's state was not built within `timeout_s`; it is built on.
            TimedOut: If it took longer than `timeout_s` for another reason.
        """
        verdict = self.runtime.screen(pivot, action, rule=rule)
        if verdict is None:
            assert isinstance(action, Action)
            # Only worlds are known to be quick: a rule may take long, or ask a judge.
            where = self.pool.call if self.runtime.runs(pivot, action, rule=rule) else self.pool.run
            try:
                verdict = await where(
                    lambda: self.runtime.decide(pivot, action, rule=rule), timeout_s, "the verification", pure=True
                )
            except TimedOut as error:
                raise self.late(error, pivot) from None
        return self.counted(verdict)

    def late(self, error: TimedOut, pivot: Pivot) -> TimedOut | Warming:
        """What a call that passed its time-out answers: `Warming` where the pivot's state is still being built."""
        if error.details.get("begun") is False or self.runtime.built(pivot):
            return error
        return warming(error)


def _judge(domain: Domain, server: ChatServer | None) -> LlmJudge | None:
    """The judge that the settings name, once the domain has taken it."""
    if server is None:
        return None
    judge = LlmJudge(server)
    try:
        domain.use_judge(judge)
    except BaseException:
        judge.close()
        raise
    return judge
