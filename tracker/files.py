"""Files people ask for: private to their owner, whole or not there, never replaced by surprise."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from tracker.errors import AlreadyExists, InvalidValue
from tracker.text import visible


@contextlib.contextmanager
def new_file(path: Path, *, force: bool = False) -> Iterator[BinaryIO]:
    """Write a file beside its name; it appears, readable by its owner only, when it is whole.

    Raises AlreadyExists where something is there, unless `force`; InvalidValue where the folder
    cannot be written. If the block raises, nothing is left.
    """
    shown = visible(str(path))
    if not force and path.exists():
        raise AlreadyExists(f"{shown} exists already; choose another name, or add --force")
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.new")
    try:
        descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        try:
            with open(descriptor, "wb") as file:
                yield file
            if force:
                os.replace(draft, path)
            else:
                os.link(draft, path)
        finally:
            draft.unlink(missing_ok=True)
    except FileExistsError:
        raise AlreadyExists(
            f"{shown} exists already; choose another name, or add --force"
        ) from None
    except OSError as error:
        raise InvalidValue(f"{shown} cannot be written: {error.strerror}", field="output") from None
