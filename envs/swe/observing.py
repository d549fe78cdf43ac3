"""What a policy sees of a shell command, in the words of its harness, and what of a recording must come back.

Owns: mini-swe-agent's form, and what images of repositories have that a checkout has not. Does not own: the plain forms
and the general masks (`envs.terminal.observing`).

Runs were recorded in images in which the repository was built and installed: their listings name compiled files and
package metadata, and their folders have other modes. Lines that name such by-products are left out on both sides, and
the modes and sizes of folders are masked. Their Python and its packages are of other versions: `_MASKS` and `_LEFT_OUT`
say what of that is not compared; results of tests, calls in the repository and what its code prints are. An output that
was too long to be shown whole was cut at places that depend on the order in which the file system lists folders: of it,
only the exit status and that it was cut must come back.
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
_MASKS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.MULTILINE), mask)
    for pattern, mask in (
        # abbreviated ids in a diff: how many digits they have depends on the size of the repository
        (r"^index ([0-9a-f]{7})[0-9a-f]*\.\.([0-9a-f]{7})[0-9a-f]*", r"index \1..\2"),
        # the id of a commit just made: it holds the time
        (r"^\[([^\s\]]+|detached HEAD)( \(root-commit\))? [0-9a-f]{7,40}\]", r"[\1\2 <commit>]"),
        # names that are made up for temporary files
        (r"/tmp/tmp[a-z0-9_]{6,8}\b", "/tmp/<name>"),
        (r"\bpytest-of-\w+/pytest-\d+", "pytest-of-<user>/<number>"),
        # where Python and its packages are, and at which of their own lines
        (r"(?:\.\./)*/?[\w./-]*/lib/python3(?:\.\d+)?/", "<python>/"),
        (r'("<python>/[^"\n]+", line )\d+', r"\1<number>"),
        (r"^(<python>/[^\s:]+):\d+", r"\1:<number>"),
        (r"(?<!#!)/[\w./-]*/bin/python(?:3(?:\.\d+)?)?\b", "<python>"),
        (r"\(3\.\d+\.\d+-\w+-\d+\)", "(<version>)"),
        # what Python itself says otherwise since 3.11
        (r"\blocal variable ('\w+') referenced before assignment", r"no value yet: \1"),
        (r"\bcannot access local variable ('\w+') where it is not associated with a value", r"no value yet: \1"),
        (r"\bidentifier field can't represent ('\w+') constant", r"Name node can't be used with \1 constant"),
        # seeds that are drawn anew each time
        (r"\b((?:random seed|PYTHONHASHSEED) *[:=] *)\d+", r"\1<seed>"),
        # pytest: rulers as wide as what stands in them lets them be, warnings, one line or two
        (r"^={3,} (.*[A-Za-z].*) ={3,}$", r"=== \1 ==="),
        (r"^(=== .*\d \w+), \d+ warnings?\b", r"\1"),
        (r"^(rootdir: [^\s,]+), (configfile|inifile|testpaths): ", r"\1\n\2: "),
    )
)
_LEFT_OUT: tuple[re.Pattern[str], ...] = tuple(
    re.compile(pattern, re.MULTILINE)
    for pattern in (
        # pytest: what it warns of (deprecations of other versions), and of which versions it and its plugins are
        r"^=+ warnings summary(?: \(final\))? =+\n(?:(?!={3}).*\n)*",
        r"^(?:platform \S+ -- Python|plugins:|cachedir:|using:) .*$",
    )
)
_CALL = re.compile(r'^( +File "[^"\n]+", line \d+.*\n.+\n) +[~^]+[~^ ]*\n', re.MULTILINE)
"""A call of a traceback, with the marks under the part that failed, which Python has from 3.11 on."""
_BINARY = re.compile(r"(?:grep: (.+): binary file matches|Binary file (.+) matches)")
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
    text = _CALL.sub(r"\1", text)
    for pattern in _LEFT_OUT:
        text = pattern.sub("", text)
    for pattern, mask in _MASKS:
        text = pattern.sub(mask, text)
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
    """Whether a line is the name of a by-product: alone, as the last word of a long listing, or as grep says it."""
    binary = _BINARY.fullmatch(line)
    if binary:
        return byproduct(binary[1] or binary[2])
    words = line.split()
    name = words[-1].removeprefix("./") if len(words) == 1 or "<time>" in words[4:-1] else ""
    return not name.startswith((".git", "/tmp")) and (byproduct(name) or _BUILT.search(name) is not None)
