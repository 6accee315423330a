"""One JSON document: what `usage list --json` writes, or a list of calls in our own shape."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import BinaryIO

from tracker.errors import InvalidValue
from tracker.importers import own
from tracker.importers.base import BOM, HEAD_BYTES, MAX_LINE_BYTES, Line, unreadable
from tracker.importers.jsonl import BLANK, DECODER, not_json

PIECE = 1 << 16
OPENING = re.compile(
    r'\s*(?:\{\s*"schema"\s*:\s*"tracker\.usages/1"\s*,\s*"usage"\s*:\s*)?\[', re.ASCII
)


class Document:
    """Calls in a JSON array, read one at a time."""

    name = "json"

    def detect(self, name: str, head: bytes) -> int:
        """Tell by how it begins: with a list, or an object that spans lines."""
        text = head.removeprefix(BOM).decode("utf-8", "replace")
        if OPENING.match(text):
            return 95
        return 60 if text.lstrip().partition("\n")[0].strip() == "{" else 0

    def read(self, file: BinaryIO) -> Iterator[Line]:
        """Yield the calls. Raises InvalidValue where the document breaks off or is malformed."""
        text = _Text(file)
        text.need(HEAD_BYTES)
        opening = OPENING.match(text.buffer)
        if opening is None:
            raise InvalidValue(
                'line 1: this JSON is neither a list of calls nor the answer of "tracker usage '
                'list --json"; write one call a line instead',
                field="file",
            )
        text.skip(opening.end())
        separator = ""
        while text.next_is_not("]"):
            if separator:
                text.take(separator)
            separator = ","
            yield text.call()


class _Text:
    """What is read of a document and not yet used up."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        self.buffer = ""
        self._line = 1
        self._ended = False

    def need(self, characters: int) -> None:
        """Read until that many characters are here, or the file ends."""
        while not self._ended and len(self.buffer) < characters:
            piece = self._file.read(PIECE)
            self._ended = not piece
            try:
                self.buffer += self._decode(piece, self._ended)
            except UnicodeDecodeError:
                where = self._line + self.buffer.count("\n")
                raise InvalidValue(
                    f"line {where} or later: the file is not UTF-8", field="file"
                ) from None

    def skip(self, characters: int) -> str:
        """Use up characters and return them."""
        used, self.buffer = self.buffer[:characters], self.buffer[characters:]
        self._line += used.count("\n")
        return used

    def next_is_not(self, character: str) -> bool:
        """Tell whether something else comes next, blanks aside."""
        self._blanks()
        if not self.buffer:
            raise InvalidValue(f"line {self._line}: the document breaks off", field="file")
        return not self.buffer.startswith(character)

    def take(self, character: str) -> None:
        """Use up a character that must come next, and the blanks after it."""
        if not self.buffer.startswith(character):
            raise InvalidValue(
                f"line {self._line}: {unreadable(f'expected {character}', self.buffer[:20])}",
                field="file",
            )
        self.skip(1)
        self._blanks()

    def call(self) -> Line:
        """Use up one call."""
        wanted = PIECE
        while True:
            self.need(wanted)
            if not self.buffer:
                raise InvalidValue(f"line {self._line}: the document breaks off", field="file")
            try:
                found, end = DECODER.raw_decode(self.buffer)
            except InvalidValue as error:
                raise InvalidValue(f"line {self._line}: {error}", field=error.field) from None
            except (ValueError, RecursionError) as error:
                if self._ended or wanted > MAX_LINE_BYTES:
                    problem = not_json(error, self.buffer[:100])
                    raise InvalidValue(f"line {self._line}: {problem}", field="file") from None
                wanted *= 4
                continue
            number, text = self._line, self.skip(end)
            if type(found) is not dict:
                return Line(number, text, None, unreadable("not a call", text))
            return own.call(number, text, found)

    def _blanks(self) -> None:
        while True:
            rest = self.buffer.lstrip(BLANK)
            self.skip(len(self.buffer) - len(rest))
            if rest or self._ended:
                return
            self.need(1)
