"""Lines that were refused, written so that they can be put right and imported again.

The file is JSON Lines whatever was imported: the fields that were understood, and beside them the
line's number, why it was refused, and how it stood in the file.
"""

from __future__ import annotations

import json
from typing import BinaryIO

from tracker.importers.base import Line
from tracker.importers.own import DERIVED, REJECT_FIELDS


def write(file: BinaryIO, line: Line, reason: str) -> None:
    """Write one refused line. What `usage import` would skip is left out."""
    kept = {
        name: value
        for name, value in (line.found or {}).items()
        if name not in DERIVED and name not in REJECT_FIELDS
    }
    said = dict(zip(REJECT_FIELDS, (line.number, reason, line.text), strict=True))
    document = {**said, **kept}
    try:
        text = json.dumps(document, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:  # half of a surrogate pair
        text = json.dumps(document).encode("ascii")
    file.write(text + b"\n")
