"""What a format of usage logs is, and what reading one gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple, Protocol

from tracker.errors import InvalidValue
from tracker.text import show

MAX_LINE_BYTES = 1_000_000
HEAD_BYTES = 4096  # of a file, by which its format is told
BOM = b"\xef\xbb\xbf"


class Line(NamedTuple):
    """One call of a log, or why it cannot be read.

    number: of the line it begins on, from 1. text: as it stands in the file, without its line end.
    fields: as `tracker.service.recording.check` takes them; None where `error` says why not.
    at: when it was, of the fields; None where they do not say.
    id: of the call, if the line is our own export of one. voided: whether that call was taken back.
    found: what it says, field by field, as far as that was understood; kept for a line refused.
    """

    number: int
    text: str
    fields: Mapping[str, Any] | None
    error: InvalidValue | None = None
    at: int | None = None
    id: str | None = None
    voided: bool = False
    found: Mapping[str, Any] | None = None


class Format(Protocol):
    """A format of usage logs."""

    name: str

    def detect(self, name: str, head: bytes) -> int:
        """Tell how likely a file is of this format, 0 to 100, by its name and first bytes."""
        ...

    def read(self, file: BinaryIO) -> Iterator[Line]:
        """Yield the calls of a log. Raises InvalidValue where it cannot be read at all."""
        ...


class Lines:
    """The lines of a file: numbered, decoded, of bounded length; a byte order mark is skipped.

    number: of the line read last. problem: why it is not what the file holds, if it is not: bytes
    that are not UTF-8 are escaped, what is too long is cut.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.number = 0
        self.problem: str | None = None

    def __iter__(self) -> Iterator[str]:
        """Yield lines with their ends."""
        readline = self._file.readline
        while raw := readline(MAX_LINE_BYTES):
            self.number += 1
            self.problem = None
            if self.number == 1:
                raw = raw.removeprefix(BOM)
            if len(raw) >= MAX_LINE_BYTES and not raw.endswith(b"\n"):
                raw = self._cut(raw)
            try:
                text = raw.decode("utf-8")
            except UnicodeDecodeError as error:
                place = len(raw[: error.start].decode("utf-8")) + 1
                self.problem = (
                    f"byte 0x{raw[error.start]:02x} at character {place} is not UTF-8; save the "
                    "file as UTF-8"
                )
                text = raw.decode("utf-8", "backslashreplace")
            yield text

    def _cut(self, raw: bytes) -> bytes:
        """Skip the rest of a line that is too long to be a call."""
        self.problem = f"the line is longer than {MAX_LINE_BYTES:,} bytes"
        while (more := self._file.readline(MAX_LINE_BYTES)) and not more.endswith(b"\n"):
            pass
        return raw[:200] + b"...\n"


def refuse_binary(head: bytes) -> None:
    """Refuse a file by its first bytes where it is not UTF-8 text."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in head:
        raise InvalidValue(
            "line 1: the file is UTF-16, or not text at all; save it as UTF-8", field="file"
        )


def is_blank(head: bytes) -> bool:
    """Tell whether the first bytes of a file hold nothing."""
    return not head.removeprefix(BOM).strip()


def unreadable(what: str, value: object) -> InvalidValue:
    """Say that a line is not what it should be."""
    return InvalidValue(f"{what}: {show(value)}", field="line")
