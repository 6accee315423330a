"""CSV: a header with the names of our own fields, then one call a record."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from tracker.errors import InvalidValue
from tracker.importers import own
from tracker.importers.base import BOM, Line, Lines
from tracker.importers.jsonl import parse
from tracker.text import show, spreadsheet_restore

MAX_COLUMNS = 1000
TAG = "tag."  # before the name of one in the header
NEEDED = ("provider", "model", "input_tokens", "output_tokens")


class Csv:
    """Comma-separated values as RFC 4180 has them; line ends may be LF or CR LF."""

    name = "csv"

    def detect(self, name: str, head: bytes) -> int:
        """Tell by the header, which names the provider, and by the name."""
        first = head.removeprefix(BOM).partition(b"\n")[0]
        named = name.lower().endswith(".csv")
        if b"provider" in first and not first.lstrip().startswith((b"{", b"[")):
            return 90 if named else 60
        return 40 if named else 0

    def read(self, file: BinaryIO) -> Iterator[Line]:
        """Yield the calls. Raises InvalidValue for a header that cannot be used."""
        records = Records(file)
        header = _header(records)
        for record in records:
            if isinstance(record, InvalidValue):
                yield Line(records.number, records.text, None, record)
            elif record:
                yield _line(header, record, records.number, records.text)


class Records:
    """The records of a file, with the line each begins on and its text; blank lines are empty."""

    def __init__(self, file: BinaryIO) -> None:
        self._lines = Lines(file)
        self._problem: str | None = None
        self._read: list[str] = []
        self._reader = csv.reader(self._kept(), strict=True)
        self.number = 0

    def __iter__(self) -> Iterator[list[str] | InvalidValue]:
        """Yield the cells of each record, or why it cannot be read."""
        while True:
            self._read.clear()
            self._problem = None
            begins = self._lines.number + 1
            problem = cells = None
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                problem = str(error)
            self.number = begins
            if self._problem:
                yield InvalidValue(self._problem, field="line")
            elif problem is not None or cells is None:
                yield InvalidValue(f"not CSV: {problem}", field="line")
            else:
                yield cells

    @property
    def text(self) -> str:
        """The record as it stands in the file."""
        return "".join(self._read).rstrip("\r\n")

    def _kept(self) -> Iterator[str]:
        for text in self._lines:
            self._read.append(text)
            if self._lines.problem:
                self._problem = f"line {self._lines.number}: {self._lines.problem}"
            yield text


def _header(records: Records) -> list[str]:
    first = next(iter(records), None)
    if first is None:
        raise InvalidValue("the file is empty", field="file")
    if isinstance(first, InvalidValue):
        raise InvalidValue(f"line {records.number}: {first}", field="file")
    if len(first) > MAX_COLUMNS:
        raise InvalidValue(
            f"line 1: the header has {len(first):,} columns; at most {MAX_COLUMNS:,} are read",
            field="file",
        )
    for at, name in enumerate(first):
        known = name in own.KNOWN or (name.startswith(TAG) and len(name) > len(TAG))
        if not known:
            raise InvalidValue(
                f"line 1: column {at + 1} {show(name)} is not known; the columns are "
                f"{', '.join(sorted(own.FIELDS))} and {TAG}NAME",
                field="file",
            )
        if name in first[:at]:
            raise InvalidValue(f"line 1: column {show(name)} is there twice", field="file")
    missing = [name for name in NEEDED if name not in first]
    if missing:
        raise InvalidValue(f"line 1: column {missing[0]} is missing", field="file")
    return first


def _line(header: Sequence[str], cells: Sequence[str], number: int, text: str) -> Line:
    if len(cells) != len(header):
        if len(cells) < len(header):
            problem = f"column {header[len(cells)]} and those after it are missing"
        else:
            problem = f"{show(cells[len(header)])} is in no column"
        error = InvalidValue(
            f"{len(cells)} cells, but the header names {len(header)}: {problem}", field="line"
        )
        return Line(number, text, None, error)
    found: dict[str, Any] = {}
    tags: dict[str, str] = {}
    try:
        for name, cell in zip(header, cells, strict=True):
            if not cell or name in own.DERIVED or name in own.REJECT_FIELDS:
                continue
            if name in own.COUNTS:
                found[name] = _count(name, cell)
            elif name.startswith(TAG):
                tags[name.removeprefix(TAG)] = spreadsheet_restore(cell)
            elif name == "tags":
                found[name] = parse(spreadsheet_restore(cell))
            elif name == "voided":
                found[name] = _boolean(cell)
            else:
                found[name] = spreadsheet_restore(cell) if cell[0] == "'" else cell
        if tags:
            found["tags"] = _merged(found.get("tags", {}), tags)
    except InvalidValue as error:
        return Line(number, text, None, error, found=_as_read(header, cells))
    return own.call(number, text, found)


def _as_read(header: Sequence[str], cells: Sequence[str]) -> dict[str, Any]:
    """Return the cells of a record that cannot be used, so that it can be put right."""
    found: dict[str, Any] = {}
    for name, cell in zip(header, cells, strict=True):
        if cell and name.startswith(TAG):
            found.setdefault("tags", {})[name.removeprefix(TAG)] = spreadsheet_restore(cell)
        elif cell and name not in own.DERIVED:
            digits = name in own.COUNTS and cell.isascii() and cell.isdigit() and len(cell) < 20
            found[name] = int(cell) if digits else spreadsheet_restore(cell)
    return found


def _count(name: str, cell: str) -> int:
    if not (cell.isascii() and cell.isdigit()):
        raise InvalidValue(f"{name}: {show(cell)} is not a count; write digits only", field=name)
    if len(cell) > 20:
        raise InvalidValue(f"{name}: {show(cell)} is out of range", field=name)
    return int(cell)


def _boolean(cell: str) -> bool:
    if cell not in ("true", "false"):
        raise InvalidValue(f"voided: {show(cell)} is neither true nor false", field="voided")
    return cell == "true"


def _merged(first: dict[str, Any], second: dict[str, str]) -> dict[str, Any]:
    for name in second:
        if name in first:
            raise InvalidValue(f"tag {show(name)} is given twice", field="tags")
    return first | second
