"""Bash's quoting, both ways and on bytes: words as we send them, and values as `declare -p` prints them.

Owns: single words. Does not own: what a dump holds (`envs.sandbox.shell.dump`).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

_PLAIN = re.compile(rb"[A-Za-z0-9_@%+:,./-]+")
_NAMED = {"a": 7, "b": 8, "e": 27, "E": 27, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
_WRITTEN = {b"\n": b"\\n", b"\t": b"\\t", b"\\": b"\\\\", b"'": b"\\'", b"\0": b""}
_UNWRITTEN = re.compile(rb"[^ -&(-\[\]-~]")
_ANSI = re.compile(
    rb"\\(?:([0-7]{1,3})|x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})|U([0-9a-fA-F]{1,8})|c(.)|(.))", re.DOTALL
)
_DOUBLE = re.compile(rb'\\([$`"\\])')


def to_bytes(text: str) -> bytes:
    """UTF-8 of a text that may carry raw bytes as `surrogateescape` does; what has no encoding becomes `?`."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def to_text(raw: bytes) -> str:
    """The reverse of `to_bytes`: bytes that are no UTF-8 become lone surrogates."""
    return raw.decode("utf-8", "surrogateescape")


def quote(value: str | bytes) -> str:
    """A word in bash's syntax, ASCII and on one line, that means exactly these bytes in every locale.

    NUL bytes are left out, as bash itself drops them from what it reads.
    """
    raw = value if isinstance(value, bytes) else to_bytes(value)
    if _PLAIN.fullmatch(raw):
        return raw.decode()
    if b"'" not in raw and raw.isascii() and raw.decode().isprintable():
        return f"'{raw.decode()}'"
    return f"$'{_UNWRITTEN.sub(_escape, raw).decode()}'"


def _escape(match: re.Match[bytes]) -> bytes:
    return _WRITTEN.get(match[0], b"\\x%02x" % match[0][0])


def octal(value: bytes) -> str:
    """An argument of `printf %b` that prints exactly these bytes, NUL among them."""
    plain = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ,.:;/_-+=")
    return "'" + "".join(chr(byte) if byte in plain else f"\\0{byte:03o}" for byte in value) + "'"


def read_word(raw: bytes, at: int, stops: bytes = b" \n)]=") -> tuple[bytes, int]:
    """One word as `declare -p`, `alias -p` or `${x@Q}` print it, of one or several quoted parts.

    Args:
        raw: What bash printed.
        at: Where the word begins.
        stops: Characters that end it where they are not quoted.

    Returns:
        The bytes it stands for, and where it ends: at one of `stops`, or the end.
    """
    parts = []
    while at < len(raw) and raw[at : at + 1] not in stops:
        part, at = _read_part(raw, at)
        parts.append(part)
    return b"".join(parts), at


def _read_part(raw: bytes, at: int) -> tuple[bytes, int]:
    if raw.startswith(b"$'", at):
        end = _closing(raw, at + 2, b"'")
        return _ANSI.sub(_unescape, raw[at + 2 : end]), end + 1
    if raw.startswith(b'"', at):
        end = _closing(raw, at + 1, b'"')
        return _DOUBLE.sub(rb"\1", raw[at + 1 : end]), end + 1
    if raw.startswith(b"'", at):
        end = raw.index(b"'", at + 1)
        return raw[at + 1 : end], end + 1
    if raw.startswith(b"\\", at):
        return raw[at + 1 : at + 2], at + 2
    return raw[at : at + 1], at + 1


def _closing(raw: bytes, at: int, quote_mark: bytes) -> int:
    while raw[at : at + 1] != quote_mark:
        if at >= len(raw):
            raise ValueError(f"no closing {quote_mark.decode()} in what bash printed")
        at += 2 if raw[at : at + 1] == b"\\" else 1
    return at


def _unescape(match: re.Match[bytes]) -> bytes:
    octal_digits, hexadecimal, short, long, control, other = match.groups()
    if octal_digits:
        return bytes([int(octal_digits, 8) & 255])
    if hexadecimal:
        return bytes([int(hexadecimal, 16)])
    if short or long:
        return chr(int(short or long, 16)).encode("utf-8", "surrogatepass")
    if control:
        return bytes([control[0] & 31])
    return bytes([_NAMED.get(other.decode("latin-1"), other[0])])


def own_shell(command: str, *, cwd: str, environment: Mapping[str, str]) -> str:
    """A command that runs another in a `bash -c` with these variables alone; the session's shell stays as it was."""
    variables = [f"{name}={value}" for name, value in sorted(environment.items())]
    words = shlex.join(["/usr/bin/env", "-i", *variables, "/bin/bash", "-c", command])
    return f"( builtin cd -- {shlex.quote(cwd)} && umask 022 && exec {words} )"
