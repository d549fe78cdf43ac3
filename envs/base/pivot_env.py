"""`PivotEnv`: any domain as a Gymnasium environment.

Owns: Gymnasium's API over `Runtime` and `Episode`, the options of `reset`, and drawing a pivot by the seed. Does not
own: what happens in an episode (`envs.base.episode`), or environments behind a server (`servers.client`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
from pydantic import ValidationError

from pivotgym.core.actions import read_action
from pivotgym.core.errors import ConfigError, InputError, NotFound, UnknownOption, WrongState
from pivotgym.core.spaces import Unicode
from pivotgym.core.trajectory import Pivot
from pivotgym.envs.base.contract import Domain, Task
from pivotgym.envs.base.episode import Episode
from pivotgym.envs.base.registry import load_domain
from pivotgym.envs.base.runtime import Horizon, Runtime

_OPTIONS = ("pivot_id", "pivot", "task_id")


class PivotEnv(gymnasium.Env[str, str]):
    """Acts at pivots (`horizon="pivot"`: one action, the verifier's reward) or through tasks (`horizon="episode"`).

    An action is an assistant message as JSON text; an observation is the text of the messages that wait for an
    answer; the structured messages and tools are in `info`.

    Args:
        domain: The domain, its name, or a runtime to share.
        pivots: The pivots that `reset` knows by id and draws from.
        horizon: `pivot` or `episode`.
        render_mode: Nothing is rendered: `None`.

    Raises:
        ConfigError: If `horizon` or `render_mode` is another value.
        NotFound: If no domain of that name is installed.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 -- Gymnasium declares it on instances
        "render_modes": []
    }

    def __init__(
        self,
        domain: str | Domain | Runtime,
        pivots: Sequence[Pivot] = (),
        *,
        horizon: Horizon = "pivot",
        render_mode: None = None,
    ) -> None:
        if horizon not in ("pivot", "episode"):
            raise ConfigError(f"horizon: expected 'pivot' or 'episode', got {horizon!r}")
        if render_mode is not None:
            raise ConfigError(f"render_mode: expected None, got {render_mode!r}")
        self._owned = not isinstance(domain, Runtime)
        domain = load_domain(domain) if isinstance(domain, str) else domain
        self.runtime = domain if isinstance(domain, Runtime) else Runtime(domain)
        self.horizon: Horizon = horizon
        self.render_mode = render_mode
        self.observation_space = Unicode()
        self.action_space = Unicode()
        self._pivots = {pivot.id: pivot for pivot in pivots}
        self._episode: Episode | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """Begin at the pivot or task that `options` names, or at one drawn by the seed.

        Args:
            seed: Seeds the draw.
            options: At most one of `pivot_id`, `pivot` (a `Pivot` or its JSON form) and `task_id`.

        Raises:
            UnknownOption: If an option is none of these, or there are several.
            NotFound: If there is no such pivot or task, or nothing to draw from.
            PivotRefused: If the pivot's state cannot be rebuilt.
        """
        super().reset(seed=seed)
        start = self._start(options or {})
        horizon: Horizon = "episode" if isinstance(start, Task) else self.horizon
        self._end()
        self._episode = self.runtime.open(start, horizon=horizon)
        return self._episode.observation, self._episode.info

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Take one action, an assistant message as JSON text.

        Raises:
            WrongState: Before `reset` or after the end.
            InfrastructureError: If the world or the verifier broke: never a reward of 0.
        """
        if self._episode is None:
            raise WrongState("step: no episode has begun", hint="call reset first")
        observation, reward, terminated, truncated, info = self._episode.step(read_action(action))
        return observation, reward, terminated, truncated, info

    def close(self) -> None:
        """Free the episode, and the runtime's states unless it is shared. Calling it again does nothing."""
        self._end()
        if self._owned:
            self.runtime.close()

    def _end(self) -> None:
        if self._episode is not None:
            self._episode.close()
            self._episode = None

    def _start(self, options: dict[str, Any]) -> Pivot | Task:
        unknown = sorted(set(options) - set(_OPTIONS))
        if unknown:
            raise UnknownOption(f"options: expected one of {list(_OPTIONS)}, got {unknown}")
        if len(options) > 1:
            raise UnknownOption(f"options: expected at most one of {list(_OPTIONS)}, got {sorted(options)}")
        if "task_id" in options:
            return self.runtime.task(options["task_id"])
        if "pivot" in options:
            return _as_pivot(options["pivot"])
        if "pivot_id" in options:
            wanted = options["pivot_id"]
            if wanted not in self._pivots:
                raise NotFound(f"pivot_id: this environment has {len(self._pivots)} pivots, none is {wanted!r}")
            return self._pivots[wanted]
        return self._drawn()

    def _drawn(self) -> Pivot | Task:
        pool: list[Pivot] | list[Task] = list(self._pivots.values())
        if self.horizon == "episode" and not pool:
            pool = self.runtime.tasks()
        if not pool:
            raise NotFound(
                f"reset: no options, and nothing to draw from: domain {self.runtime.domain.name!r} was given no pivots",
                hint="pass pivots= to PivotEnv, or options={'pivot': ...}",
            )
        return pool[int(self.np_random.integers(len(pool)))]


def _as_pivot(value: Any) -> Pivot:
    if isinstance(value, Pivot):
        return value
    try:
        return Pivot.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "pivot"
        raise InputError(f"options['pivot']: expected a pivot, but {place}: {first['msg']}") from error
