"""The policy of the embedded trainer: loading, shared-prefix scoring and shared-prefix sampling."""

from pivotgym.trainer.policy.decode import Sample
from pivotgym.trainer.policy.gguf import convert_gguf
from pivotgym.trainer.policy.model import Policy
from pivotgym.trainer.policy.sampling import SamplingParams, StateRequest, sample
from pivotgym.trainer.policy.tree import Scored, Span, score_tree

__all__ = [
    "Policy",
    "Sample",
    "SamplingParams",
    "Scored",
    "Span",
    "StateRequest",
    "convert_gguf",
    "sample",
    "score_tree",
]
