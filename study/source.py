"""What the study is made of: its own domains, its compact policy, its plain text.

Owns: putting them together for `study/run`. Does not own: any of them.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pivotgym.core.errors import ConfigError
from pivotgym.core.jsonl import describe
from pivotgym.study.base import BaseSettings, base_policy
from pivotgym.study.contract import StudyDomain
from pivotgym.study.domains import study_domain
from pivotgym.study.text import plain

_UNSEEN_TEXT = 10_007
"""Seed of the plain text that is measured; pre-training draws its own by the seed of the policy."""


@dataclass(frozen=True)
class StudySource:
    """See `study.run.Source`.

    Attributes:
        domains: Names of all that the policy is pre-trained on.
        base: Settings of the policy, see `study.base.BaseSettings`.
    """

    domains: tuple[str, ...]
    base: dict[str, Any]

    def domain(self, name: str) -> StudyDomain:
        """The domain of that name."""
        return study_domain(name)

    def pretrained(self, folder: Path) -> Path:
        """The folder of the pre-trained policy, made in `folder` the first time.

        Raises:
            ConfigError: If its settings are wrong.
        """
        try:
            settings = BaseSettings.model_validate(self.base)
        except ValidationError as error:
            raise ConfigError(f"base: {describe(error)}") from error
        return base_policy([study_domain(name) for name in self.domains], folder, settings)

    def passages(self, count: int) -> list[str]:
        """Plain text that no policy is trained on."""
        return list(itertools.islice(plain(_UNSEEN_TEXT), count))
