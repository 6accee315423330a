"""Names, what a terminal shows and what a spreadsheet reads."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker import text
from tracker.errors import InvalidValue

ANY_TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates too
CONTROL_BYTES = "\x00\x07\x08\x0a\x0d\x1b\x7f\x9b"

HOSTILE = {
    "clear screen": "\x1b[2J",
    "window title": "\x1b]0;x\x07",
    "cursor up": "\x1b[1A\x1b[2K",
    "eight-bit CSI": "\x9b31m",
    "carriage return": "a\rb",
    "backspace": "a\bb",
    "NUL": "a\x00b",
    "delete": "a\x7fb",
    "right-to-left override": "a\u202eb",
    "isolate": "a\u2066b",
    "zero-width space": "a\u200bb",
    "byte order mark": "\ufeffa",
    "soft hyphen": "a\u00adb",
    "line separator": "a\u2028b",
    "paragraph separator": "a\u2029b",
    "lone surrogate": "a\ud800b",
    "tag": "a\U000e0041b",
}
MARKUP = ["[/]", "[red]x", "{0}", "%s", "{{7*7}}", "<script>", "=HYPERLINK(1)", "a'b\"c", "\\x1b"]


def refusal(check: Callable[..., object], *arguments: object) -> str:
    with pytest.raises(InvalidValue) as caught:
        check(*arguments)
    assert caught.value.field == "field"
    message = str(caught.value)
    assert message.startswith("field: ")
    assert message.isprintable()
    assert len(message) < 300
    return message


# slug


@pytest.mark.parametrize(
    ("given_", "same"),
    [
        ("openai", "openai"),
        ("OpenAI", "openai"),
        ("Zhipu-AI_2.0", "zhipu-ai_2.0"),
        ("me@example.org", "me@example.org"),
        ("7b+x", "7b+x"),
        ("a" * 100, "a" * 100),
    ],
)
def test_an_id_is_lower_case_ascii(given_: str, same: str) -> None:
    assert text.slug(given_, "field") == same


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", "openai ", " openai", "openai\n", "open ai", "-a", ".a", "../etc", "a/b", "a:b"),
        *("a" * 101, "оpenai", "openaı", "\u212aimi", "ｏpenai", "é", "٧"),
        *(None, 7, True, [], {}, b"openai"),
        *HOSTILE.values(),
    ],
)
def test_what_is_not_an_id_is_refused(value: object) -> None:
    assert refusal(text.slug, value, "field").replace("…", "").isascii()


def test_a_lookalike_letter_is_shown_escaped() -> None:
    assert "'\\u043epenai'" in refusal(text.slug, "оpenai", "field")


# model names


@pytest.mark.parametrize(
    "name", ["ERNIE-3.5-8K", "gpt-4o", "文心 一言", "org/model:free", "é", *MARKUP]
)
def test_a_model_keeps_its_spelling(name: str) -> None:
    assert text.model_name(name, "field") == name


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", " a", "a ", "a\n", "a\tb", "a\u00a0b", "a\u200db", "a" * 201, "\ue000"),
        *(None, 1, True, [], b"a"),
        *HOSTILE.values(),
    ],
)
def test_a_model_name_that_does_not_print_is_refused(value: object) -> None:
    refusal(text.model_name, value, "field")


def test_models_are_the_same_whatever_case_and_composition() -> None:
    assert text.model_key("ERNIE-3.5") == text.model_key("ernie-3.5")
    assert text.model_key("Cafe\u0301") == text.model_key("CAFÉ") == "café"
    assert text.model_key("gpt-4o") != text.model_key("gpt-4о")  # a Cyrillic о
    assert text.model_name("e\u0301", "field") == "é"


@given(st.text(st.characters(codec="ascii")))
def test_the_short_cut_for_ascii_keys_changes_nothing(name: str) -> None:
    assert text.model_key(name) == unicodedata.normalize("NFC", name).casefold()


# labels and notes


@pytest.mark.parametrize(
    "value", ["x", "команда", "搜索 组", " padded ", "👩\u200d💻", "a" * 200, *MARKUP]
)
def test_a_label_is_kept_as_given(value: str) -> None:
    assert text.label(value, "field") == value
    assert text.note(value, "field") == value


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_label_that_controls_or_hides_is_refused(value: str) -> None:
    assert "U+" in refusal(text.label, value, "field")
    assert "U+" in refusal(text.note, value, "field")


@pytest.mark.parametrize("value", ["", " ", "\u3000", "\u00a0 ", "\u200d", "\t"])
def test_a_blank_label_is_refused(value: str) -> None:
    assert "blank" in refusal(text.label, value, "field")


@pytest.mark.parametrize("value", [None, 1, True, 1.5, [], {}, b"x"])
def test_only_text_is_a_label(value: object) -> None:
    assert "not text" in refusal(text.label, value, "field")


def test_a_label_is_counted_after_composing_it() -> None:
    assert text.label("e\u0301" * 200, "field") == "é" * 200
    refusal(text.label, "é" * 201, "field")
    assert text.label("abc", "field", maximum=3) == "abc"
    with pytest.raises(InvalidValue, match="4 characters; at most 3"):
        text.label("abcd", "field", maximum=3)


@pytest.mark.parametrize("letter", ["a", "é", "e\u0301", "\x1b"])
def test_a_huge_text_is_refused_in_a_short_message(letter: str) -> None:
    value = letter * 10**7
    refusal(text.slug, value, "field")
    refusal(text.label, value, "field")
    refusal(text.note, value, "field")
    refusal(text.model_name, value, "field")


def test_a_note_may_hold_lines_and_tabs() -> None:
    assert text.note("one\n\ttwo\r\nthree", "field") == "one\n\ttwo\nthree"
    refusal(text.note, "one\rtwo", "field")
    refusal(text.label, "one\ntwo", "field")


@given(ANY_TEXT)
def test_an_accepted_label_is_accepted_again_unchanged(value: str) -> None:
    for check in (text.label, text.note, text.model_name):
        try:
            accepted = check(value, "field")
        except InvalidValue:
            continue
        assert check(accepted, "field") == accepted
        assert accepted.encode()
        assert "\x00" not in accepted
        assert unicodedata.is_normalized("NFC", accepted)


# terminals


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain 文字 [red]", "plain 文字 [red]"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\r\n\t\bb", "a\\r\\n\\t\\x08b"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202eabc", "\\u202eabc"),
        ("a\u00a0b\u3000c", "a\\xa0b\\u3000c"),
        ("\ud800", "\\ud800"),
        ("\U000f0000", "\\U000f0000"),
    ],
)
def test_what_does_not_print_is_shown_escaped(raw: str, shown: str) -> None:
    assert text.visible(raw) == shown


@given(ANY_TEXT)
def test_visible_text_never_reaches_the_terminal_raw(value: str) -> None:
    shown = text.visible(value)
    assert shown.isprintable()
    assert not set(CONTROL_BYTES) & set(shown)
    assert text.visible(shown) == shown


@pytest.mark.parametrize(
    ("value", "cells"),
    [("", 0), ("abc", 3), ("智谱AI", 6), ("ＡＢ", 4), ("é", 1), ("e\u0301", 1), ("👩\u200d💻", 4)],
)
def test_width_counts_terminal_cells(value: str, cells: int) -> None:
    assert text.width(value) == cells


@pytest.mark.parametrize(
    ("align", "padded"), [("<", "百度    "), (">", "    百度"), ("^", "  百度  ")]
)
def test_padding_lines_up_wide_names(align: str, padded: str) -> None:
    assert text.pad("百度", 8, align) == padded
    assert text.pad("百度", 3, align) == "百度"


@pytest.mark.parametrize(
    ("value", "cells", "cut"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("百度智能云", 10, "百度智能云"),
        ("百度智能云", 6, "百度…"),
        ("百度智能云", 5, "百度…"),
        ("e\u0301e\u0301e\u0301", 2, "e\u0301…"),
        ("abc", 1, "…"),
        ("abc", 0, ""),
    ],
)
def test_clipping_shows_what_was_cut(value: str, cells: int, cut: str) -> None:
    assert text.clip(value, cells) == cut


@given(ANY_TEXT, st.integers(0, 20), st.sampled_from("<>^"))
def test_clipped_and_padded_text_fills_its_cells_or_its_line_but_never_more(
    value: str, cells: int, align: str
) -> None:
    clipped = text.clip(value, cells)
    assert text.width(clipped) <= cells
    assert text.width(text.pad(clipped, cells, align)) == cells


# spreadsheets


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "\n", "'"])
def test_a_cell_cannot_start_a_formula(first: str) -> None:
    assert text.spreadsheet_safe(first + "1") == "'" + first + "1"


@pytest.mark.parametrize("value", ["", "a=1", " =1", "1-2", "百度", '"=1'])
def test_other_cells_stay(value: str) -> None:
    assert text.spreadsheet_safe(value) == value


@given(st.text(st.sampled_from("=+-@\t\r\n'a ")) | ANY_TEXT)
def test_a_cell_comes_back_exactly(value: str) -> None:
    cell = text.spreadsheet_safe(value)
    assert text.spreadsheet_restore(cell) == value
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


def test_a_quote_that_protects_nothing_stays() -> None:
    assert text.spreadsheet_restore("'tis") == "'tis"


# error messages


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a", "'a'"),
        ("a\x1b\n", "'a\\x1b\\n'"),
        ("文", "'文'"),
        (b"\x00", "b'\\x00'"),
        (7, "7"),
        (-(2**63), "-9223372036854775808"),
        (True, "True"),
        (None, "None"),
        (float("nan"), "nan"),
        (Decimal("1E-30"), "1E-30"),
        (date(2024, 7, 31), "2024-07-31"),
        ([1, 2], "a value of type list"),
        ({}, "a value of type dict"),
    ],
)
def test_a_refused_value_is_shown(value: object, shown: str) -> None:
    assert text.show(value) == shown


def test_a_foreign_value_is_never_asked_to_describe_itself() -> None:
    class Hostile:
        def __repr__(self) -> str:
            raise AssertionError

    assert text.show(Hostile()) == "a value of type Hostile"


@given(ANY_TEXT | st.integers() | st.decimals() | st.binary() | st.floats())
def test_a_shown_value_is_short_and_prints(value: object) -> None:
    shown = text.show(value)
    assert shown.isprintable()
    assert len(shown) <= text.SHOWN + 2


def test_a_long_value_is_cut() -> None:
    assert text.show(10**10_000) == "an integer of 33220 bits"
    assert text.show("x" * 10**7) == "'" + "x" * 59 + "…"
    assert len(text.show(Decimal("1" * 10_000))) == text.SHOWN + 1
