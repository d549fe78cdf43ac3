"""What a terminal shows, by pyte's emulator.

Owns: pictures and text, the alternate screen, answers to programs' questions, lines that scrolled out of sight.
Does not own: the pty (`envs.sandbox.shell.terminal`).
"""

from __future__ import annotations

import contextlib
import copy
import re
from collections import deque
from collections.abc import Callable
from typing import Any

import pyte

_SCROLLBACK = 2000
_ALTERNATE = frozenset({47, 1047, 1049})
# Sequences that pyte's handlers would raise on or take for others: private ones but for modes and erasing, and those
# with intermediate bytes.
_UNKNOWN = re.compile(rb"\x1b\[[?<=>][0-9;:]*[^hlJK0-9;:\x1b]|\x1b\[[0-9;:]*[ !\"$%'*]+[@-~]|\x1b\[[<=>][0-9;:]*[hlJK]")
_UNFINISHED = re.compile(rb"\x1b(\[[?<=> !\"$%'*0-9;:]{0,64})?\Z")


class Picture(pyte.Screen):
    """A screen that remembers lines which scrolled off its top.

    Args:
        columns: Width in cells.
        lines: Height in cells.
    """

    def __init__(self, columns: int, lines: int) -> None:
        self.scrolled: deque[str] = deque(maxlen=_SCROLLBACK)
        self.gone = 0
        self.cleared = False
        self.answers: list[str] = []
        self._main: tuple[Any, pyte.screens.Cursor] | None = None
        super().__init__(columns, lines)

    def row(self, index: int) -> str:
        """The text of a row, right-stripped."""
        cells = self.buffer[index]
        return "".join(cells[column].data for column in range(self.columns)).rstrip()

    @property
    def alternate(self) -> bool:
        """Whether a full-screen program shows its own picture."""
        return self._main is not None

    def index(self) -> None:
        """A line feed; at the bottom the top line scrolls out."""
        bottom = self.margins.bottom if self.margins else self.lines - 1
        if self.cursor.y == bottom and not self.alternate and (not self.margins or self.margins.top == 0):
            self.scrolled.append(self.row(0))
            self.gone += 1
        super().index()

    def erase_in_display(self, how: int = 0, *args: object, **options: object) -> None:
        """Erase; a whole screen erased is remembered, since positions on it mean nothing then."""
        at_home = how == 0 and (self.cursor.x, self.cursor.y) == (0, 0)
        self.cleared = self.cleared or (not self.alternate and (at_home or how in (2, 3)))
        super().erase_in_display(how)

    def set_mode(self, *modes: int, **options: bool) -> None:
        """Modes; those of the alternate screen put the present picture aside."""
        if options.get("private") and _ALTERNATE & set(modes) and not self.alternate:
            self._main = (copy.deepcopy(self.buffer), copy.copy(self.cursor))
            super().erase_in_display(2)
        super().set_mode(*modes, **options)

    def reset_mode(self, *modes: int, **options: bool) -> None:
        """Modes; those of the alternate screen bring the old picture back."""
        super().reset_mode(*modes, **options)
        if options.get("private") and _ALTERNATE & set(modes) and self._main:
            self.buffer, self.cursor = self._main
            self._main = None

    def write_process_input(self, data: str) -> None:
        """What the terminal answers to a program that asked it something."""
        self.answers.append(data)


class _Lenient:
    """Passes the stream's events on to a picture; one with parameters that its handler does not take is left out.

    Programs may print anything, and an exception inside pyte's parser would end the parser.
    """

    def __init__(self, picture: Picture) -> None:
        self._picture = picture

    def __getattr__(self, name: str) -> Callable[..., None]:
        handler = getattr(self._picture, name)

        def handle(*args: object, **options: object) -> None:
            with contextlib.suppress(TypeError, UnboundLocalError):
                handler(*args, **options)

        return handle


class Display:
    """A picture fed with bytes, and the text that is new since one last looked.

    Args:
        columns: Width in cells.
        rows: Height in cells.
    """

    def __init__(self, columns: int, rows: int) -> None:
        self._picture = Picture(columns, rows)
        self._stream = pyte.ByteStream(_Lenient(self._picture))
        self._rest = b""
        self._seen_line, self._seen_text = 0, ""

    def feed(self, data: bytes) -> bytes:
        """Show what came from the program.

        Returns:
            What the terminal answers, to be written to the pty.
        """
        data = self._rest + data
        tail = _UNFINISHED.search(data)
        self._rest = data[tail.start() :] if tail else b""
        self._stream.feed(_UNKNOWN.sub(b"", data[: tail.start()] if tail else data))
        answers, self._picture.answers = self._picture.answers, []
        return "".join(answers).encode()

    def skip(self, lines: int) -> None:
        """Count lines that are not shown."""
        self._picture.gone += lines
        self._picture.scrolled.clear()

    def resize(self, columns: int, rows: int) -> None:
        """Change the size in cells."""
        self._picture.resize(rows, columns)

    def screen(self) -> str:
        """The picture, right-stripped line by line, without empty lines at its end."""
        return "\n".join(self._picture.row(row) for row in range(self._picture.lines)).rstrip("\n")

    def new_text(self) -> str:
        """The text since the last call; the whole screen where the old positions mean nothing any more."""
        picture = self._picture
        if picture.alternate:
            return self.screen()
        if picture.cleared or picture.gone + picture.cursor.y < self._seen_line:
            text = self.screen()
        else:
            text = "\n".join(self._lines_from(self._seen_line)).removeprefix(self._seen_text)
        picture.cleared = False
        self._seen_line = picture.gone + picture.cursor.y
        self._seen_text = picture.row(picture.cursor.y)
        return text

    def _lines_from(self, line: int) -> list[str]:
        picture = self._picture
        missing = picture.gone - line
        above = list(picture.scrolled)[-missing:] if missing > 0 else []
        below = [picture.row(row) for row in range(max(-missing, 0), picture.cursor.y + 1)]
        cut = missing - len(above)
        return [f"[... {cut} lines cut ...]", *above, *below] if cut > 0 else [*above, *below]
