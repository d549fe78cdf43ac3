"""What a policy sees of a shell command, in the words of its harness, and what of a recording must come back.

Owns: mini-swe-agent's form, and what images of repositories have that a checkout has not. Does not own: the plain forms
and the general masks (`envs.terminal.observing`).

Runs were recorded in images in which the repository was built and installed: their listings name compiled files and
package metadata, and their folders have other modes. Lines that name such by-products are left out on both sides, and
the modes and sizes of folders are masked. An output that was too long to be shown whole was cut at places that depend
on the order in which the file system lists folders: of it, only the exit status and that it was cut must come back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pivotgym.envs.sandbox.contract import Ran
from pivotgym.envs.sandbox.effects import shown
from pivotgym.envs.terminal import observing
from pivotgym.verifiers.code.paths import byproduct

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
_MARKS = re.compile(r"(</?(?:output|output_head|output_tail|elided_chars|warning|returncode)>)")
_CUT = re.compile(r"<warning>.*<output_head>.*<elided_chars>.*</output_tail>", re.DOTALL)
_FOLDER = re.compile(r"^d[rwxsStT-]{9}[.+@]? +\d+ +(\S+) +(\S+) +\S+ ", re.MULTILINE)
_BUILT = re.compile(r"\.(?:so|o|a|dylib|egg-link)[*@]?$|(?:^|/)(?:build|\.eggs|dist)/?$")


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
    """As the terminal's, without what is told of by-products; see the module."""
    text = _FOLDER.sub(r"d <folder> \1 \2 ", _MARKS.sub(r"\n\1\n", _CUT.sub("<cut>", text)))
    lines = observing.normalised("\n".join(_outside_byproducts(text))).splitlines()
    return "\n".join(line for line in lines if not _names_byproduct(line))


def _outside_byproducts(text: str) -> Iterator[str]:
    """The lines of an output without what `ls -R` lists in folders that are by-products."""
    inside = False
    for line in text.splitlines():
        if line.endswith(":"):
            inside = byproduct(line[:-1])
        if not inside:
            yield line
        inside = inside and bool(line.strip()) and not line.startswith("<")


def _names_byproduct(line: str) -> bool:
    """Whether a line is the name of a by-product, alone or as the last word of a long listing."""
    words = line.split()
    name = words[-1].removeprefix("./") if len(words) == 1 or "<time>" in words[4:-1] else ""
    return not name.startswith((".git", "/tmp")) and (byproduct(name) or _BUILT.search(name) is not None)
