"""A server's environment as a Gymnasium environment.

Owns: Gymnasium's API over a session. Does not own: the session (`sync`), or local environments (`envs.base.pivot_env`,
which this equals in spaces, options and results). Imports Gymnasium, so nothing else of the client imports it.
"""

from __future__ import annotations

from typing import Any, Literal

import gymnasium
import numpy as np
from pydantic import ValidationError

from pivotgym.core.actions import read_action
from pivotgym.core.errors import ConfigError, InputError, NotFound, UnknownOption, WrongState
from pivotgym.core.jsonl import describe
from pivotgym.core.spaces import Unicode
from pivotgym.core.trajectory import Pivot
from pivotgym.servers.client.sync import Client, Session

Horizon = Literal["pivot", "episode"]
_OPTIONS = ("pivot_id", "pivot", "task_id")


class RemoteEnv(gymnasium.Env[str, str]):
    """Acts at pivots (`horizon="pivot"`: one action, the verifier's reward) or through tasks (`horizon="episode"`).

    An action is an assistant message as JSON text; an observation is the text of the messages that wait for an
    answer; the structured messages and tools are in `info`.

    Args:
        base_url: The server's address.
        horizon: `pivot` or `episode`.
        render_mode: Nothing is rendered: `None`.
        client: Further arguments of `Client`.

    Raises:
        ConfigError: If `horizon` or `render_mode` is another value.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - as Gymnasium declares it

    def __init__(
        self,
        base_url: str,
        *,
        horizon: Horizon = "pivot",
        render_mode: None = None,
        **client: Any,
    ) -> None:
        if horizon not in ("pivot", "episode"):
            raise ConfigError(f"horizon: expected 'pivot' or 'episode', got {horizon!r}")
        if render_mode is not None:
            raise ConfigError(f"render_mode: expected None, got {render_mode!r}")
        self.horizon = horizon
        self.render_mode = render_mode
        self.observation_space = Unicode()
        self.action_space = Unicode()
        self._client = Client(base_url, **client)
        self._session: Session | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """Begin at the pivot or task that `options` names, or at one of the server's drawn by the seed.

        Args:
            seed: Seeds the draw.
            options: At most one of `pivot_id`, `pivot` (a `Pivot` or its JSON form) and `task_id`.

        Raises:
            UnknownOption: If an option is none of these, or there are several.
            InputError: If the pivot is none.
            NotFound: If there is no such pivot or task, or nothing to draw from.
            PivotGymError: What else the server answered.
        """
        super().reset(seed=seed)
        start = self._start(options or {})
        self._end()
        horizon = "episode" if "task_id" in start else self.horizon
        self._session = self._client.session(horizon=horizon, **start)
        return self._session.observation, self._session.info

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Take one action, an assistant message as JSON text.

        Raises:
            WrongState: Before `reset` or after the end.
            InfrastructureError: If the server, the world or the verifier broke: never a reward of 0.
        """
        if self._session is None:
            raise WrongState("step: no episode has begun", hint="call reset first")
        return self._session.step(read_action(action))

    def close(self) -> None:
        """End the session and close the connections. Calling it again does nothing."""
        self._end()
        self._client.close()

    def _end(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def _start(self, options: dict[str, Any]) -> dict[str, Any]:
        start = read_start(options)
        if start is not None:
            return start
        listed = {
            kind: [item["id"] for item in (self._client.tasks() if kind == "task_id" else self._client.pivots())]
            for kind in kinds(self.horizon)
        }
        return draw(listed, self.np_random)


def read_start(options: dict[str, Any]) -> dict[str, Any] | None:
    """Where the options of `reset` say to begin, as arguments of `Client.session`; `None` where they say nothing.

    Raises:
        UnknownOption: If there are several, or one that nobody knows.
        InputError: If the pivot is none.
    """
    unknown = sorted(set(options) - set(_OPTIONS))
    if unknown:
        raise UnknownOption(f"options: expected one of {list(_OPTIONS)}, got {unknown}")
    if len(options) > 1:
        raise UnknownOption(f"options: expected at most one of {list(_OPTIONS)}, got {sorted(options)}")
    if "pivot" in options:
        try:
            return {"pivot": Pivot.model_validate(options["pivot"])}
        except ValidationError as error:
            raise InputError(f"options['pivot']: expected a pivot, but {describe(error)}") from error
    return dict(options) or None


def kinds(horizon: Horizon) -> tuple[str, ...]:
    """What may be drawn, the first that there is any of."""
    return ("task_id", "pivot_id") if horizon == "episode" else ("pivot_id",)


def draw(listed: dict[str, list[str]], rng: np.random.Generator) -> dict[str, Any]:
    """One of the ids of the first kind that has some, as an argument of `Client.session`.

    Raises:
        NotFound: If there are none.
    """
    for kind, ids in listed.items():
        if ids:
            return {kind: ids[int(rng.integers(len(ids)))]}
    raise NotFound(
        "reset: no options, and nothing to draw from: the server knows no pivots",
        hint="start it with --pivots, add some with Client.add_pivots, or pass options={'pivot': ...}",
    )
