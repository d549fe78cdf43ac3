"""The session's bash: kept alive over pipes or on a terminal, its state read out and restored.

Owns: the text that bash is fed, what it reports, capped output, time-outs, a shell's dump. Does not own: where bash
runs; a backend starts it (`driver.argv`) and hands over file descriptors and a way to end it (`channel.Process`).
"""

from pivotgym.envs.sandbox.shell.channel import LOST, Channel, Process
from pivotgym.envs.sandbox.shell.driver import argv
from pivotgym.envs.sandbox.shell.session import Session

__all__ = ["LOST", "Channel", "Process", "Session", "argv"]
