"""JSON Lines: one call in our own shape on each line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from tracker.errors import InvalidValue
from tracker.importers import own
from tracker.importers.base import BOM, Line, Lines, unreadable
from tracker.text import show

BLANK = " \t\r\n"


class JsonLines:
    """One JSON object a line; blank lines are skipped."""

    name = "jsonl"

    def detect(self, name: str, head: bytes) -> int:
        """Tell by the first line, which is an object, and by the name."""
        first = head.removeprefix(BOM).lstrip().partition(b"\n")[0].strip()
        named = name.lower().endswith((".jsonl", ".ndjson"))
        if not first.startswith(b"{") or first == b"{":
            return 40 if named else 0
        return 90 if named else 70

    def read(self, file: BinaryIO) -> Iterator[Line]:
        """Yield the calls."""
        lines = Lines(file)
        for raw in lines:
            text = raw.strip(BLANK)
            if not text:
                continue
            number = lines.number
            if lines.problem:
                yield Line(number, text, None, InvalidValue(lines.problem, field="line"))
                continue
            try:
                found = parse(text)
            except InvalidValue as error:
                yield Line(number, text, None, error)
                continue
            yield own.call(number, text, found)


def parse(text: str) -> dict[str, Any]:
    """Read one JSON object strictly. Raises InvalidValue.

    A key given twice is refused wherever it is, and so are NaN, Infinity and whatever is nested too
    deeply.
    """
    try:
        found = _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise not_json(error, text) from None
    if type(found) is not dict:
        raise unreadable("the line is not a JSON object", text)
    return found


def not_json(error: Exception, text: str) -> InvalidValue:
    """Say what is wrong with a JSON text, and where."""
    if isinstance(error, json.JSONDecodeError):
        return InvalidValue(f"not JSON: {error.msg} at character {error.pos + 1}", field="line")
    if isinstance(error, RecursionError):
        return InvalidValue("not a call: it is nested too deeply", field="line")
    return unreadable("not JSON that can be read", text)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for at, name in enumerate(names) if name in names[:at])
        raise InvalidValue(f"field {show(twice)} is given twice", field=twice[:100])
    return found


def _constant(name: str) -> Any:
    raise InvalidValue(f"{name} is not a JSON value", field="line")


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant)
DECODER = _DECODER
