"""Reading and checking what a form sent.

Owns: the rules of single fields and what is said where one is broken. Does not own: which fields a form has (the
handlers), or how they are shown (`templates/fields.html`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import date

_EMAIL = re.compile(r"[^@\s]{1,64}@[a-z0-9-]+(\.[a-z0-9-]+)+", re.IGNORECASE)


class Form:
    """A form's values as sent, and what is wrong with them.

    Args:
        sent: Values by name.
    """

    def __init__(self, sent: Mapping[str, str] | None = None) -> None:
        self.values = dict(sent or {})
        self.errors: dict[str, str] = {}

    @property
    def good(self) -> bool:
        """Whether no field broke a rule so far."""
        return not self.errors

    def value(self, name: str) -> str:
        """A value as sent, without white space around it; "" where there is none."""
        return self.values.get(name, "").replace("\r\n", "\n").strip()

    def wrong(self, name: str, reason: str) -> None:
        """Say what is wrong with a field; the first reason stays."""
        self.errors.setdefault(name, reason)

    def text(self, name: str, label: str, *, least: int = 1, most: int = 80) -> str:
        """A text of so many letters."""
        value = self.value(name)
        if not value and least:
            self.wrong(name, f"{label}: please fill this in.")
        elif len(value) < least:
            self.wrong(name, f"{label}: at least {least} characters, please.")
        elif len(value) > most:
            self.wrong(name, f"{label}: at most {most} characters, please.")
        return value

    def email(self, name: str, label: str = "E-mail") -> str:
        """An e-mail address."""
        value = self.text(name, label)
        if value and not _EMAIL.fullmatch(value):
            self.wrong(name, f"{label}: an address like name@post.example, please.")
        return value

    def choice(self, name: str, label: str, among: Collection[str]) -> str:
        """One of some values."""
        value = self.value(name)
        if value not in among:
            self.wrong(name, f"{label}: please choose one.")
        return value

    def whole(self, name: str, label: str, low: int, high: int) -> int:
        """A whole number from `low` to `high`; `low` where it is wrong."""
        value = self.value(name)
        if re.fullmatch(r"[0-9]{1,6}", value) and low <= int(value) <= high:
            return int(value)
        self.wrong(name, f"{label}: a whole number from {low} to {high}, please.")
        return low

    def ticked(self, name: str) -> bool:
        """Whether a box was ticked."""
        return name in self.values

    def day(self, name: str, label: str, first: date, last: date) -> str:
        """A day as `YYYY-MM-DD` within a span, not a Sunday; "" where none was given."""
        value = self.value(name)
        if not value:
            return ""
        try:
            found = date.fromisoformat(value)
        except ValueError:
            self.wrong(name, f"{label}: a day such as {first.isoformat()}, please.")
            return ""
        if not first <= found <= last:
            self.wrong(name, f"{label}: from {first.isoformat()} to {last.isoformat()}, please.")
        elif found.weekday() == 6:
            self.wrong(name, f"{label}: we do not deliver on Sundays.")
        return found.isoformat()
