"""Names: which are the same, which are refused, and how they reach a terminal or a spreadsheet.

Ids (`slug`) are ASCII and lower case, so that no two of them look alike. Model names keep their
spelling and are compared by `model_key`. Labels and notes are free text in NFC. What is stored
never holds a character that moves a cursor or turns text around; `visible` shows escaped whatever
comes from elsewhere.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from tracker.errors import InvalidValue

MAX_SLUG = 100
MAX_MODEL_NAME = 200
MAX_LABEL = 200
MAX_NOTE = 2000

SHOWN = 60  # longest piece of a refused value in an error message, in characters

_SLUG = r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}"
_JOINER = "\u200d"  # joins emoji, and letters of some scripts: the one format character allowed
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "'")

_REFUSED = {
    "Cc": "a control character",
    "Cf": "an invisible format character",
    "Cs": "half of a surrogate pair",
    "Zl": "a line separator",
    "Zp": "a paragraph separator",
}


# What is the same name


def slug(value: object, name: str) -> str:
    """Return the id of a provider, account, grant or template, in lower case.

    1 to 100 ASCII letters, digits and . _ @ + -, the first a letter or digit: 'OpenAI' is 'openai';
    'openai ' and look-alikes in other scripts raise InvalidValue, which shows them escaped.
    """
    if isinstance(value, str) and len(value) <= MAX_SLUG and (found := _slug(value)):
        return found
    shown = _shorten(ascii(value[: SHOWN + 1])) if isinstance(value, str) else show(value)
    raise InvalidValue(
        f"{name}: {shown} is not an id; write 1 to {MAX_SLUG} of a-z, 0-9 and . _ @ + -, "
        "beginning with a letter or digit",
        field=name,
    )


@lru_cache(maxsize=1024)
def _slug(value: str) -> str | None:
    return value.lower() if re.fullmatch(_SLUG, value) else None


def model_name(value: object, name: str = "model") -> str:
    """Return a model's name in NFC, spelled as given.

    1 to 200 printable characters with no blank at either end; others raise InvalidValue.
    """
    text = _normal(value, name, MAX_MODEL_NAME)
    if not text.isprintable():
        _refuse_hidden(text, name, allowed=" ")
        raise InvalidValue(
            f"{name}: {show(text)} contains a character that does not print; leave it out",
            field=name,
        )
    if text != text.strip():
        raise InvalidValue(f"{name}: {show(text)} begins or ends with a blank", field=name)
    return text


def model_key(value: str) -> str:
    """Return what two spellings of one model share: NFC, then case folded."""
    if value.isascii():
        return value.lower()
    return unicodedata.normalize("NFC", value).casefold()


def label(value: object, name: str, *, maximum: int = MAX_LABEL) -> str:
    """Return a project, user, tag or display name in NFC, otherwise exactly as given.

    maximum: characters. Raises InvalidValue for a blank or too long text, and for characters that
    control a terminal, hide, or turn text around; U+200D, which joins emoji, is allowed.
    """
    if (
        isinstance(value, str)
        and len(value) <= maximum
        and value.isascii()
        and value.isprintable()
        and value.strip()
    ):
        return value
    text = _normal(value, name, maximum)
    if not text.isprintable():
        _refuse_hidden(text, name, allowed=_JOINER)
    return text


def note(value: object, name: str, *, maximum: int = MAX_NOTE) -> str:
    r"""Return free text in NFC: a label that may hold newlines and tabs; CR LF becomes LF.

    maximum: characters. Raises InvalidValue as `label` does.
    """
    if isinstance(value, str):
        value = value.replace("\r\n", "\n")
    text = _normal(value, name, maximum)
    if not text.isprintable():
        _refuse_hidden(text, name, allowed=_JOINER + "\n\t")
    return text


def _normal(value: object, name: str, maximum: int) -> str:
    if not isinstance(value, str):
        raise InvalidValue(f"{name}: {show(value)} is not text", field=name)
    text = value
    # NFC makes text shorter, never by this much: what is longer is too long either way.
    if not value.isascii() and len(value) <= 4 * maximum:
        text = unicodedata.normalize("NFC", value)
    if len(text) > maximum:
        raise InvalidValue(
            f"{name}: {show(value)} has {len(text)} characters; at most {maximum} are allowed",
            field=name,
        )
    if not text.replace(_JOINER, "").strip():
        raise InvalidValue(f"{name}: {show(value)} is blank; write at least one letter", field=name)
    return text


def _refuse_hidden(text: str, name: str, *, allowed: str) -> None:
    for character in text:
        kind = _REFUSED.get(unicodedata.category(character))
        if kind and character not in allowed:
            raise InvalidValue(
                f"{name}: {show(text)} contains {kind}, U+{ord(character):04X}; leave it out",
                field=name,
            )


# What a terminal shows


def visible(value: str) -> str:
    r"""Return text that is safe on a terminal: what does not print is escaped, as in \x1b, \u202e.

    Escaped are control, format, surrogate, private-use and unassigned characters, and every
    separator but the plain space.
    """
    if value.isprintable():
        return value
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in value
    )


def width(value: str) -> int:
    """Return how many terminal cells the text takes: wide characters 2, combining ones 0."""
    if value.isascii() and value.isprintable():
        return len(value)
    return sum(map(_cells, value))


def pad(value: str, cells: int, align: str = "<") -> str:
    """Fill up to `cells` terminal cells with spaces; align: '<', '>' or '^'. Never cuts."""
    missing = max(0, cells - width(value))
    if align == "<":
        return value + " " * missing
    before = missing if align == ">" else missing // 2
    return " " * before + value + " " * (missing - before)


def clip(value: str, cells: int) -> str:
    """Cut to at most `cells` terminal cells; what was cut is shown by '…', itself one cell."""
    if width(value) <= cells:
        return value
    if cells < 1:
        return ""
    left = cells - 1
    for index, character in enumerate(value):
        left -= _cells(character)
        if left < 0:
            return value[:index] + "…"
    raise AssertionError("a text wider than its cells has a character that does not fit")


def _cells(character: str) -> int:
    if character.isascii():
        return 1 if character.isprintable() else 0
    if unicodedata.category(character) in ("Mn", "Me", "Cc", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


# What a spreadsheet reads


def spreadsheet_safe(value: str) -> str:
    """Return a cell no spreadsheet takes for a formula: a leading ' where it would be one.

    It is added before = + - @ TAB CR LF, and before ' so that `spreadsheet_restore` is exact.
    """
    return "'" + value if value.startswith(_FORMULA) else value


def spreadsheet_restore(value: str) -> str:
    """Undo `spreadsheet_safe`."""
    return value[1:] if value.startswith("'") and value[1:].startswith(_FORMULA) else value


# What an error message shows


def show(value: object) -> str:
    """Return a refused value for an error message: quoted, escaped, about 60 characters at most.

    Never calls code of a foreign type: of other than plain values it tells the type.
    """
    if isinstance(value, str | bytes):
        return _shorten(repr(value[: SHOWN + 1]))
    if isinstance(value, int) and value.bit_length() > 4 * SHOWN:
        return f"an integer of {value.bit_length()} bits"
    kind = type(value)
    if value is None or kind in (bool, int, float) or kind.__module__ in ("datetime", "decimal"):
        return _shorten(str(value))
    return _shorten(f"a value of type {visible(kind.__name__)}")


def _shorten(shown: str) -> str:
    return shown if len(shown) <= SHOWN + 2 else f"{shown[:SHOWN]}…"  # 2 for the quotes
