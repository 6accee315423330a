"""The formats of usage logs there are. To add one: a file beside this one, and its line here."""

from __future__ import annotations

from tracker.errors import InvalidValue
from tracker.importers.base import Format, is_blank, refuse_binary
from tracker.importers.csv import Csv
from tracker.importers.document import Document
from tracker.importers.jsonl import JsonLines
from tracker.text import show

AUTO = "auto"
FORMATS: tuple[Format, ...] = (JsonLines(), Document(), Csv())


def names() -> tuple[str, ...]:
    """Return the names of the formats, `auto` first."""
    return (AUTO, *(one.name for one in FORMATS))


def choose(wanted: str, name: str, head: bytes) -> Format:
    """Return the format asked for, or with `auto` the one a file looks like most.

    name: of the file. head: its first bytes. Raises InvalidValue for an empty file, one that is not
    UTF-8 text, one no format recognises, and an unknown format.
    """
    if wanted not in names():
        raise InvalidValue(
            f"format {show(wanted)} is not known; choose from {', '.join(names())}", field="format"
        )
    refuse_binary(head)
    if is_blank(head):
        raise InvalidValue("the file is empty", field="file")
    if wanted != AUTO:
        return next(one for one in FORMATS if one.name == wanted)
    likely = max(FORMATS, key=lambda one: one.detect(name, head))
    if not likely.detect(name, head):
        raise InvalidValue(
            "the format of the file is not recognised; name it with --format "
            f"{'|'.join(names()[1:])}",
            field="format",
        )
    return likely
