"""What a policy sees of a shell command, in the words of its harness.

Owns: mini-swe-agent's form. Does not own: the plain forms and what of a recorded observation must come back when it is
replayed (`envs.terminal.observing`).
"""

from __future__ import annotations

import re

from pivotgym.envs.sandbox.contract import Ran
from pivotgym.envs.sandbox.effects import shown
from pivotgym.envs.terminal import observing

MAX_CHARACTERS = 10_000
"""Longer outputs are told by their first and last halves of this."""
_WARNING = """\
<warning>
The output of your last command was too long.
Please try a different command that produces less output.
If you're looking at a file you can try use head, tail or sed to view a smaller number of lines selectively.
If you're using grep or find and it produced too much output, you can use a more selective search pattern.
If you really need to see something from the full command's output, you can redirect output to a file and then search \
in that file.
</warning>"""


def observation(ran: Ran, style: str, limit_s: float) -> str:
    """A command's output as the policy sees it.

    Args:
        ran: What it gave.
        style: `plain`, `status` or `mini_swe_agent`.
        limit_s: Wall time it had.
    """
    if style != "mini_swe_agent" or ran.ended:
        return observing.observation(ran, status=style == "status", limit_s=limit_s)
    text = shown(ran.stdout) + shown(ran.stderr)
    head = f"<returncode>{ran.exit}</returncode>\n"
    if len(text) < MAX_CHARACTERS:
        return f"{head}<output>\n{text}</output>"
    half = MAX_CHARACTERS // 2
    left_out = f"<elided_chars>\n{len(text) - MAX_CHARACTERS} characters elided\n</elided_chars>"
    ends = f"<output_head>\n{text[:half]}\n</output_head>\n{left_out}\n<output_tail>\n{text[-half:]}\n</output_tail>"
    return f"{head}{_WARNING}{ends}"


def normalised(text: str) -> str:
    """As the terminal's; marks of a form stand on lines of their own, and what was left out is masked."""
    text = re.sub(r"(</?(?:output|output_head|output_tail|elided_chars|warning|returncode)>)", r"\n\1\n", text)
    return observing.normalised(text)
