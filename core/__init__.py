"""The data model, the error tree, files and text formats. Imports nothing else of ours, and no heavy library.

Owns: what travels between the rooms. Does not own: deciding anything about it.
"""

from pivotgym.core.errors import InfrastructureError, InputError, PivotGymError
from pivotgym.core.messages import Action, Malformed, Message, Tool, ToolCall
from pivotgym.core.trajectory import Effects, Origin, Pivot, Profile, Sampling, Step, Trajectory, Verdict

__all__ = [
    "Action",
    "Effects",
    "InfrastructureError",
    "InputError",
    "Malformed",
    "Message",
    "Origin",
    "Pivot",
    "PivotGymError",
    "Profile",
    "Sampling",
    "Step",
    "Tool",
    "ToolCall",
    "Trajectory",
    "Verdict",
]
