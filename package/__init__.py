"""PivotGym: environment-and-verifier servers for agentic RL with language models, and the trainer that uses them.

Owns nothing but the version; the rooms are `pivotgym.core`, `verifiers`, `envs`, `servers`, `trainer`,
`study` and `cli`.
"""

from importlib.metadata import version

__version__ = version("pivotgym")
