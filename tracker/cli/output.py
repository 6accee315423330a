"""What commands print: records in four formats, plain tables that fit, notes beside the data.

Data goes to stdout, everything said about it to stderr. Colour and bars are for terminals. Text
that comes from the ledger is shown escaped where it would move a cursor, and never reaches a
spreadsheet as a formula.
"""

from __future__ import annotations

import enum
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TextIO

from tracker.text import clip, pad, spreadsheet_safe, visible, width


class OutputFormat(enum.StrEnum):
    """How a command writes its answer."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"


NARROWEST = 8  # cells a column is cut to

STYLES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "cyan": "36",
}


def plain(value: object) -> str:
    """Write a value for people: '-' for nothing, yes and no, lists with commas."""
    if value is None or value == [] or value == ():
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)


class Column(NamedTuple):
    """One field of a record.

    key: its name in JSON and CSV; title: its head in a table, '' where a table leaves it out.
    show: how a table writes it. shrinks: 1 may be cut where a terminal is too narrow, 2 where that
    is not enough. optional: a table leaves it out where no row has a value.
    """

    key: str
    title: str = ""
    align: str = "<"
    show: Callable[[Any], str] = plain
    shrinks: int = 0
    optional: bool = False


def emit(
    columns: Sequence[Column],
    rows: Sequence[Sequence[object]],
    format: OutputFormat,
    *,
    schema: str,
    name: str,
    extra: Mapping[str, object] | None = None,
) -> None:
    """Write records to stdout.

    rows: values in the order of the columns: str, int, bool, None, aware datetimes, Money, lists.
    schema, name, extra: JSON is {"schema": schema, **extra, name: [records]}.
    """
    if format is OutputFormat.JSON:
        keys = [column.key for column in columns]
        records = [dict(zip(keys, map(as_json, row), strict=True)) for row in rows]
        emit_json({"schema": schema, **(extra or {}), name: records})
    elif format is OutputFormat.CSV:
        emit_csv([column.key for column in columns], rows)
    else:
        shown = [
            (at, column)
            for at, column in enumerate(columns)
            if column.title and not (column.optional and not any(row[at] for row in rows))
        ]
        cells = [[column.show(row[at]) for at, column in shown] for row in rows]
        titles = [column.title for _, column in shown]
        aligns = [column.align for _, column in shown]
        if format is OutputFormat.MARKDOWN:
            print("\n".join(markdown(titles, cells, aligns)))
        else:
            first, then = (
                [at for at, (_, column) in enumerate(shown) if column.shrinks == order]
                for order in (1, 2)
            )
            print("\n".join(table(titles, cells, aligns, shrinking=first, then=then)))


def emit_json(document: Mapping[str, object]) -> None:
    """Write one JSON document. Whatever does not print is escaped."""
    import json

    utf8 = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") == "utf8"
    text = json.dumps(document, ensure_ascii=not utf8, indent=2, default=as_json)
    if not text.replace("\n", "").isprintable():
        text = "".join(
            character
            if character == "\n" or character.isprintable()
            else json.dumps(character)[1:-1].replace("\x7f", "\\u007f")
            for character in text
        )
    print(text)


def emit_csv(keys: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write CSV with a header, in UTF-8 with LF. No cell can start a formula."""
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(keys)
    writer.writerows([[_csv_cell(value) for value in row] for row in rows])


def as_json(value: object) -> object:
    """Turn a value into what JSON can hold: instants as RFC 3339, money as money."""
    from tracker.units import Money

    if isinstance(value, datetime):
        from tracker.wire import instant_json

        return instant_json(value)
    if isinstance(value, Money):
        return value.as_json()
    return list(value) if isinstance(value, tuple) else value


def _csv_cell(value: object) -> str:
    from tracker.units import Money

    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Money):
        return value.text()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list | tuple):
        value = " ".join(map(str, value))
    elif isinstance(value, Mapping):
        import json

        value = json.dumps(value, ensure_ascii=False) if value else ""
    kept = re.sub(r"[^\n\t\u200d]+", lambda found: visible(found[0]), str(as_json(value)))
    return spreadsheet_safe(kept)


def table(
    titles: Sequence[str],
    rows: Sequence[Sequence[str]],
    aligns: Sequence[str] = (),
    *,
    shrinking: Sequence[int] = (),
    then: Sequence[int] = (),
    columns: int | None = None,
) -> list[str]:
    """Lay out a table without rules: two spaces between columns, numbers to the right.

    rows: cells as text; what would not print is escaped here.
    shrinking: columns to cut, the widest first, until a line fits `columns` (default: the
    terminal; 0 where there is none, which cuts nothing). then: columns to cut after those.
    """
    room = terminal_columns() if columns is None else columns
    aligns = aligns or ["<"] * len(titles)
    cells = [[visible(cell) for cell in row] for row in rows]
    widths = [
        max([width(title), *(width(row[at]) for row in cells)]) for at, title in enumerate(titles)
    ]
    for group in (shrinking, then):
        while room and group and sum(widths) + 2 * (len(widths) - 1) > room:
            at = max(group, key=lambda index: widths[index])
            if widths[at] <= max(NARROWEST, width(titles[at])):
                break
            widths[at] -= 1
    head = paint(_line(titles, widths, aligns), "dim")
    return [head, *(_line(row, widths, aligns) for row in cells)]


def markdown(
    titles: Sequence[str], rows: Sequence[Sequence[str]], aligns: Sequence[str] = ()
) -> list[str]:
    """Write a Markdown table; pipes, backslashes and line breaks in cells are escaped."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cells) + " |"

    rules = ["---:" if align == ">" else "---" for align in aligns or ["<"] * len(titles)]
    body = [line([_markdown_cell(cell) for cell in row]) for row in rows]
    return [line(list(map(_markdown_cell, titles))), line(rules), *body]


def _markdown_cell(cell: str) -> str:
    text = visible(cell)
    for special in ("\\", "|", "<", "`", "*", "_", "[", "]"):
        text = text.replace(special, "\\" + special)
    return text


def _line(cells: Sequence[str], widths: Sequence[int], aligns: Sequence[str]) -> str:
    parts = [
        pad(clip(cell, room), room, align)
        for cell, room, align in zip(cells, widths, aligns, strict=True)
    ]
    return "  ".join(parts).rstrip()


def note(text: str) -> None:
    """Say something about the answer, on stderr."""
    print(text, file=sys.stderr)


def warn(text: str) -> None:
    """Say something the reader should act on, on stderr."""
    print(paint("warning:", "yellow", sys.stderr), text, file=sys.stderr)


def paint(text: str, style: str, stream: TextIO | None = None) -> str:
    """Colour a text where colour is wanted. style: names of `STYLES`, separated by blanks."""
    if not style or not text or not colourful(stream):
        return text
    codes = ";".join(STYLES[name] for name in style.split())
    return f"\x1b[{codes}m{text}\x1b[0m"


def on_terminal(stream: TextIO | None = None) -> bool:
    """Tell whether a person is looking: a terminal that is not dumb, or FORCE_COLOR says so."""
    if os.environ.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    stream = sys.stdout if stream is None else stream
    return os.environ.get("TERM") != "dumb" and stream.isatty()


def colourful(stream: TextIO | None = None) -> bool:
    """Tell whether to colour: on a terminal, unless NO_COLOR is set to anything."""
    return not os.environ.get("NO_COLOR") and on_terminal(stream)


def terminal_columns(default: int = 0) -> int:
    """Return how wide the terminal is; COLUMNS decides, and `default` holds where there is none."""
    given = os.environ.get("COLUMNS", "")
    if given.isascii() and given.isdigit() and int(given):
        return max(40, int(given))
    try:
        found = os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError):
        return default
    return max(40, found) if found else default


def emit_one(document: Mapping[str, object], format: OutputFormat, text: str) -> None:
    """Write the one record a command made: `text` for people, the document for programs."""
    if format is OutputFormat.TABLE:
        print(text)
    elif format is OutputFormat.JSON:
        emit_json(document)
    else:
        keys = [key for key in document if key != "schema"]
        columns = [Column(key, key) for key in keys]
        emit(columns, [[_flat(document[key]) for key in keys]], format, schema="", name="")


def _flat(value: object) -> object:
    """Bring what a record holds into one cell."""
    if isinstance(value, Mapping):
        if set(value) == {"amount", "currency"}:
            return f"{value['amount']} {value['currency']}"
        return " ".join(f"{key}={one}" for key, one in value.items())
    if isinstance(value, list | tuple):
        return [_flat(one) for one in value]
    return value
