"""Bash text as commands, words and redirections, by the grammar of tree-sitter.

Owns: text -> `Script`, and what a word is once its quotes are removed. Does not own: what programs and flags mean
(`verifiers.shell.programs`), or when two scripts do the same (`verifiers.shell.rule`).

Two texts with equal scripts run the same: only quoting that changes nothing, spaces, comments and the choice between
`;` and a line break are lost, and a group of commands, in braces or in a subshell that leaves nothing behind in the
shell, is its commands. What is not a plain command (loops, tests, functions, other subshells) stays as its text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

_LONGEST = 32_768
"""Characters of a command that are parsed; longer ones are compared as text."""
_EXPANDS = re.compile(r"\$(?=[A-Za-z0-9_{(\[@*#?$!'\"-])")
_UNQUOTED_SPECIAL = frozenset("*?[]~`!|&;<>()\n")
_SYSTEM = re.compile(r"^(?:/usr)?(?:/local)?/s?bin/(?=[^/]+$)")
_SEPARATORS = {";": ";", "&&": "&&", "||": "||", "&": ";"}
_BUILTINS = (
    ". alias bg bind break builtin cd command continue declare disown enable eval exec exit export fg getopts hash "
    "history jobs kill let local logout mapfile popd printf pushd read readarray readonly return set shift shopt "
    "source suspend times trap typeset ulimit umask unalias unset wait"
)
_OF_THE_SHELL = frozenset(("", *_BUILTINS.split()))
"""What may change the shell itself, or ask for it: inside a subshell it does something else."""
_COMMANDS = {"command", "declaration_command", "unset_command", "variable_assignment", "variable_assignments"}


@dataclass(frozen=True)
class Word:
    """One word of a command.

    Attributes:
        text: What the program gets where `literal`, else the source, which the shell still expands.
        literal: Whether the shell changes nothing about it: no expansion, no pattern.
    """

    text: str
    literal: bool = True


@dataclass(frozen=True)
class Redirect:
    """A redirection: `2>` to a word, or a here-document, whose body is the target's text."""

    operator: str
    target: Word


@dataclass(frozen=True)
class Command:
    """A plain command.

    Attributes:
        words: Program and arguments; empty where only variables are set.
        redirects: In order.
        assignments: `NAME=value` before the program.
    """

    words: tuple[Word, ...]
    redirects: tuple[Redirect, ...] = ()
    assignments: tuple[Word, ...] = ()

    @property
    def program(self) -> str:
        """Name of the program, without a folder of the system's; empty where it is not plain from the text."""
        return _SYSTEM.sub("", self.words[0].text) if self.words and self.words[0].literal else ""

    @property
    def arguments(self) -> tuple[Word, ...]:
        """What follows the program."""
        return self.words[1:]


@dataclass(frozen=True)
class Block:
    """Anything else, as its text."""

    text: str


@dataclass(frozen=True)
class Step:
    """A pipeline with what connects it to the one before.

    Attributes:
        stages: The pipeline's commands.
        after: `;` for in any case, `&&` after success, `||` after failure.
        background: Whether the shell does not wait for it.
        negated: Whether its exit status is turned round.
    """

    stages: tuple[Command | Block, ...]
    after: str = ";"
    background: bool = False
    negated: bool = False


Script = tuple[Step, ...]


class _Unread(Exception):
    """The text has a form that is not read here."""


@cache
def _language() -> Language:
    return Language(tree_sitter_bash.language())


@lru_cache(maxsize=2048)
def parse(text: str) -> Script | None:
    r"""The commands of a text, in order; `None` where it is no complete, correct bash of readable length.

    >>> parse("ls -la 'a b'") == parse('ls  -la a\\ b # all')
    True
    """
    if len(text) > _LONGEST or "\0" in text:
        return None
    try:
        source = text.encode()
        root = Parser(_language()).parse(source).root_node
        return None if root.has_error or not _documents_end(root, source) else tuple(_steps(root.children))
    except (UnicodeEncodeError, RecursionError, _Unread):
        return None


def commands_of(script: Script) -> Iterator[Command]:
    """The plain commands of a script, in order."""
    for step in script:
        for stage in step.stages:
            if isinstance(stage, Command):
                yield stage


def _documents_end(root: Node, source: bytes) -> bool:
    """Whether each here-document ends as bash ends it: by a line of its own. The grammar takes less for an end."""
    left = [root] if b"<<" in source else []
    while left:
        node = left.pop()
        left += node.children
        if node.type == "heredoc_end":
            before = source[: node.start_byte].rpartition(b"\n")[2]
            if before.strip(b"\t") or source[node.end_byte : node.end_byte + 1] not in (b"", b"\n"):
                return False
    return True


def _text(node: Node) -> str:
    return (node.text or b"").decode()


def _steps(nodes: Sequence[Node]) -> Iterator[Step]:
    """The steps of the parts of a program or list; what stands between two is read from the operators there."""
    after: str = ";"
    last: list[Step] = []
    for child in nodes:
        kind = child.type
        if kind == "comment" or kind == "\n":
            continue
        if kind in _SEPARATORS:
            if kind == "&" and last:
                last[-1] = replace(last[-1], background=True)
            after = _SEPARATORS[kind]
            continue
        yield from last
        last = _statement(child, after)
        after = ";"
    yield from last


def _statement(node: Node, after: str) -> list[Step]:
    if node.type == "list":
        steps = list(_steps(node.children))
    elif node.type in ("compound_statement", "subshell"):
        steps = _grouped(node, after)
    elif node.type == "negated_command":
        steps = _statement(node.children[-1], ";")
        if len(steps) > 1:
            return [Step((Block(_text(node)),), after)]
        steps[0] = replace(steps[0], negated=not steps[0].negated)
    elif node.type == "pipeline":
        steps = [Step(tuple(_stages(node)))]
    elif node.type == "redirected_statement":
        steps = _redirected(node)
    else:
        steps = [Step((_stage(node),))]
    return [replace(steps[0], after=after), *steps[1:]] if steps else steps


def _grouped(node: Node, after: str) -> list[Step]:
    """The steps of a group, where they do the same without it; else the group as its text."""
    whole = [Step((Block(_text(node)),))]
    begin, *inside, end = node.children
    steps = list(_steps(inside)) if (_text(begin), _text(end)) in (("{", "}"), ("(", ")")) else []
    if not steps or any(step.background for step in steps) or (len(steps) > 1 and after != ";"):
        return whole
    if node.next_sibling is not None and node.next_sibling.type == "&":
        return whole
    subshell = node.type == "subshell"
    return (
        whole if subshell and not all(map(_leaves_nothing, (one for step in steps for one in step.stages))) else steps
    )


def _leaves_nothing(stage: Command | Block) -> bool:
    """Whether a command does the same in a subshell, and the shell is the same after it."""
    if isinstance(stage, Block) or stage.program in _OF_THE_SHELL:
        return False
    words = (*stage.words, *stage.assignments, *(one.target for one in stage.redirects))
    return not any("BASH" in word.text or "${" in word.text or "$((" in word.text for word in words if not word.literal)


def _stages(node: Node) -> Iterator[Command | Block]:
    for child in node.children:
        if child.type == "|":
            continue
        if child.type == "|&":
            raise _Unread
        steps = _statement(child, ";")
        if len(steps) != 1 or steps[0].negated or steps[0].background:
            yield Block(_text(child))
        else:
            yield from steps[0].stages


def _stage(node: Node) -> Command | Block:
    return _command(node) if node.type in _COMMANDS else Block(_text(node))


def _redirected(node: Node) -> list[Step]:
    """The grammar hangs a redirection on the whole list before it; it is the last command's."""
    bare = node.children[0].type == "file_redirect"
    body, rest = (None, node.children) if bare else (node.children[0], node.children[1:])
    found = [_redirects(child) for child in rest]
    known = body is None or body.type in {"list", "pipeline", "negated_command", *_COMMANDS}
    known = known and sum(child.type == "heredoc_redirect" for child in rest) < 2
    steps = (_statement(body, ";") if body else [Step((Command(()),))]) if known and None not in found else []
    if not steps or isinstance(steps[-1].stages[-1], Block):
        return [Step((Block(_text(node)),))]
    *stages, end = steps[-1].stages
    assert isinstance(end, Command)
    read = [part for one in found for part in one or ()]
    words = (*end.words, *(part for part in read if isinstance(part, Word)))
    redirects = (*end.redirects, *(part for part in read if isinstance(part, Redirect)))
    return [*steps[:-1], replace(steps[-1], stages=(*stages, replace(end, words=words, redirects=redirects)))]


def _redirects(node: Node) -> list[Redirect | Word] | None:
    """What a redirection says, with the words that the grammar adds to it; `None` where it holds more than that."""
    if node.type == "file_redirect":
        targets = [child for child in node.children if child.is_named and child.type != "file_descriptor"]
        operator = "".join(_text(child) for child in node.children[: len(node.children) - len(targets)])
        target = _word(targets[0]) if targets else Word("")
        return [Redirect(operator, target), *map(_word, targets[1:])]
    if node.type == "herestring_redirect":
        return [Redirect("<<<", _word(node.children[-1]))]
    if node.type == "heredoc_redirect":
        return _heredoc(node)
    return None


def _heredoc(node: Node) -> list[Redirect | Word] | None:
    parts = {child.type: child for child in node.children}
    if parts.keys() - {"<<", "<<-", "heredoc_start", "file_redirect", "heredoc_body", "heredoc_end"}:
        return None
    start, end = parts["heredoc_start"], parts.get("heredoc_end")
    source = (node.text or b"")[: end.start_byte - node.start_byte if end else None]
    # The grammar's own body lacks white space at its beginning.
    line = max(child.end_byte for child in node.children if child.type in ("heredoc_start", "file_redirect"))
    body = source[line - node.start_byte :].partition(b"\n")[2].decode()
    quoted = any(mark in _text(start) for mark in "'\"\\")
    operator = "<<-" if "<<-" in parts else "<<"
    more = [part for child in node.children if child.type == "file_redirect" for part in _redirects(child) or []]
    return [Redirect(operator, Word(body, literal=quoted)), *more]


def _command(node: Node) -> Command:
    words: list[Word] = []
    assignments: list[Word] = []
    redirects: list[Redirect] = []
    if node.type in ("variable_assignment", "variable_assignments"):
        parts = [node] if node.type == "variable_assignment" else node.children
        return Command((), (), tuple(_word(part) for part in parts))
    for child in node.children:
        found = _redirects(child)
        if found is not None:
            words += [part for part in found if isinstance(part, Word)]
            redirects += [part for part in found if isinstance(part, Redirect)]
        elif child.type == "variable_assignment" and not words and node.type == "command":
            assignments.append(_word(child))
        elif child.type == "command_name":
            words.append(_program(child))
        elif child.type != "comment":
            words.append(_word(child))
    return Command(tuple(words), tuple(redirects), tuple(assignments))


def _program(node: Node) -> Word:
    """A quoted program is no alias, so its quotes stay."""
    source = _text(node)
    return Word(source, literal=unquoted(source) == source)


def _word(node: Node) -> Word:
    source = _text(node)
    plain = unquoted(source)
    return Word(source, literal=False) if plain is None else Word(plain)


def unquoted(source: str) -> str | None:
    r"""A word as the program gets it; `None` where the shell expands it or takes it for a pattern.

    >>> unquoted("'a b'c\\ d"), unquoted('"$HOME"'), unquoted("*.py")
    ('a bc d', None, None)
    """
    out: list[str] = []
    bare = ""
    place = 0
    while place < len(source):
        char = source[place]
        if char in "'\"":
            end = _closing(source, place)
            inner = source[place + 1 : end]
            plain = inner if char == "'" else _double_quoted(inner)
            if end < 0 or plain is None:
                return None
            out.append(plain)
            place = end + 1
        elif char == "\\":
            following = source[place + 1 : place + 2]
            out.append("" if following == "\n" else following)
            place += 2
        elif char in _UNQUOTED_SPECIAL or (char == "$" and _EXPANDS.match(source, place)):
            return None
        else:
            out.append(char)
            bare += char
            place += 1
    braces = "{" in bare and ("," in bare or ".." in bare)
    return None if braces else "".join(out)


def _closing(source: str, start: int) -> int:
    """Where the quote that begins at `start` ends; -1 if nowhere."""
    if source[start] == "'":
        return source.find("'", start + 1)
    place = start + 1
    while place < len(source) and source[place] != '"':
        place += 2 if source[place] == "\\" else 1
    return place if place < len(source) else -1


def _double_quoted(inner: str) -> str | None:
    bare = re.sub(r"\\[\s\S]", "", inner)
    if "`" in bare or "!" in bare or re.search(r"\$(?=[A-Za-z0-9_{(\[@*#?$!-])", bare):
        return None
    return re.sub(r"\\([$`\"\\\n])", lambda found: "" if found[1] == "\n" else found[1], inner)
