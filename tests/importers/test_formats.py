"""What each format reads, and what it refuses, naming line and field."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.errors import InvalidValue
from tracker.importers import registry
from tracker.importers.base import MAX_LINE_BYTES, Line
from tracker.importers.csv import Csv
from tracker.importers.document import Document
from tracker.importers.jsonl import JsonLines
from tracker.units import rfc3339

HEADER = "provider,model,input_tokens,output_tokens"
ROW = {"provider": "acme", "model": "acme-chat", "input_tokens": 1, "output_tokens": 2}


def jsonl(*lines: str | bytes) -> list[Line]:
    data = b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines)
    return list(JsonLines().read(io.BytesIO(data)))


def table(*lines: str | bytes, header: str = HEADER, end: bytes = b"\n") -> list[Line]:
    data = end.join(line if isinstance(line, bytes) else line.encode() for line in (header, *lines))
    return list(Csv().read(io.BytesIO(data + end)))


def document(text: str) -> list[Line]:
    return list(Document().read(io.BytesIO(text.encode())))


def fields(lines: Iterable[Line]) -> list[Any]:
    return [line.fields or str(line.error) for line in lines]


def test_a_json_line_is_a_call() -> None:
    (line,) = jsonl(json.dumps({**ROW, "at": "2024-07-15T09:30:00+08:00", "tags": {"a": "b"}}))

    assert line.fields is not None
    assert line.fields["tags"] == {"a": "b"}
    assert rfc3339(line.at) == "2024-07-15T01:30:00Z"


def test_a_mark_blank_lines_and_cr_lf_do_not_matter() -> None:
    assert fields(jsonl("\ufeff" + json.dumps(ROW) + "\r", "", " \t\r", json.dumps(ROW))) == [
        ROW,
        ROW,
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("x", "not JSON: Expecting value at character 1"),
        ('{"a": 1', "not JSON"),
        ("[]", "the line is not a JSON object"),
        ("7", "the line is not a JSON object"),
        ('{"input_tokens": 1, "input_tokens": 999}', "field 'input_tokens' is given twice"),
        ('{"tags": {"a": "1", "a": "2"}}', "field 'a' is given twice"),
        ('{"input_tokens": NaN}', "NaN is not a JSON value"),
        ('{"input_tokens": -Infinity}', "-Infinity is not a JSON value"),
        ('{"input_tokens": ' + "9" * 5000 + "}", "not JSON that can be read"),
        ('{"a":' * 100_000, "nested too deeply"),
        ('{"tokens": 1}', "field 'tokens' is not known; the fields are account, at,"),
        ('{"at": 1720000000}', "at: 1720000000 is not an instant"),
        ('{"at": "2024-07-15T09:30:00"}', "has no offset"),
        ('{"at": "2024-07-15"}', "at: '2024-07-15' is not an instant"),
        ('{"at": "2024-W29-1T09:30:00Z"}', "is not an instant"),
        ('{"at": "2024-07-15T09:30:60Z"}', "leap second"),
        ('{"at": "1969-07-15T09:30:00Z"}', "out of range"),
        ('{"voided": 1}', "voided: 1 is neither true nor false"),
        (b'{"project": "caf\xe9"}', "byte 0xe9 at character 17 is not UTF-8"),
        ('{"project": "' + "x" * MAX_LINE_BYTES + '"}', "longer than 1,000,000 bytes"),
    ],
)
def test_a_bad_json_line_is_named_and_the_next_one_is_read(line: str | bytes, reason: str) -> None:
    before, bad, after = jsonl(json.dumps(ROW), line, json.dumps(ROW))

    assert bad.number == 2
    assert reason in str(bad.error)
    assert bad.fields is None
    assert (before.fields, after.fields, after.number) == (ROW, ROW, 3)


def test_midnight_may_be_written_as_24() -> None:
    (line,) = jsonl('{"at": "2024-07-31T24:00:00+08:00"}')

    assert rfc3339(line.at) == "2024-07-31T16:00:00Z"


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_csv_record_is_a_call(end: bytes) -> None:
    (line,) = table('acme,"acme\nchat",1,2', end=end)

    assert line.number == 2
    assert line.fields == {**ROW, "model": "acme\nchat"}


def test_a_record_after_a_quoted_newline_has_its_own_number() -> None:
    lines = table('acme,"a\nb",1,2', "acme,c,x,2", "", "acme,d,1,2")

    assert [(line.number, line.error is None) for line in lines] == [
        (2, True),
        (4, False),
        (6, True),
    ]


def test_tags_come_from_columns_or_a_json_cell_and_empty_cells_say_nothing() -> None:
    header = HEADER + ",tags,tag.team,tag.空,project,at"

    (line,) = table('acme,acme-chat,1,2,"{""a"": ""b""}",search,,,', header=header)

    assert line.fields == {**ROW, "tags": {"a": "b", "team": "search"}}


def test_the_cells_of_an_export_are_given_back() -> None:
    header = HEADER + ",project,tag.x"

    (line,) = table("acme,acme-chat,1,2,'=SUM(A1),''quoted", header=header)

    assert line.fields == {**ROW, "project": "=SUM(A1)", "tags": {"x": "'quoted"}}


NOT_COUNTS = ["1.0", "1e3", "1_000", " 7", "7 ", "+7", "-1", "٧", "７", "0x10", "true", "9" * 30]


@pytest.mark.parametrize("cell", NOT_COUNTS)
def test_only_digits_are_a_count(cell: str) -> None:
    (line,) = table(f"acme,acme-chat,{cell},2")

    assert str(line.error).startswith("input_tokens: ")
    assert line.found is not None


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("acme,acme-chat,1", "3 cells, but the header names 4: column output_tokens"),
        ("acme,acme-chat,1,2,3", "5 cells, but the header names 4: '3' is in no column"),
        ('acme,"acme"chat,1,2', "not CSV"),
        (b"acme,caf\xe9,1,2", "line 2: byte 0xe9 at character 9 is not UTF-8"),
        ("acme," + "x" * 200_000 + ",1,2", "not CSV: field larger than field limit"),
    ],
)
def test_a_bad_record_is_named_and_the_next_one_is_read(record: str | bytes, reason: str) -> None:
    bad, after = table(record, "acme,acme-chat,1,2")

    assert bad.number == 2
    assert reason in str(bad.error)
    assert (after.number, after.fields) == (3, ROW)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("provider,model,input_tokens", "line 1: column output_tokens is missing"),
        (HEADER + ",tokens", "line 1: column 5 'tokens' is not known"),
        (HEADER + ",provider", "line 1: column 'provider' is there twice"),
        (HEADER + ",", "line 1: column 5 '' is not known"),
        (HEADER + ",tag.", "line 1: column 5 'tag.' is not known"),
        (",".join("x" * 2000), "line 1: the header has 2,000 columns; at most 1,000"),
        (",".join("x" * 10**6), "line 1: line 1: the line is longer than 1,000,000 bytes"),
    ],
)
def test_a_header_that_cannot_be_used_is_refused(header: str, reason: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        table("acme,acme-chat,1,2", header=header)

    assert reason in str(refusal.value)


def test_a_header_alone_is_a_log_without_calls() -> None:
    assert table() == []


def test_an_unclosed_quote_does_not_take_the_file_with_it() -> None:
    lines = table('acme,"open,1,2', *["acme,acme-chat,1,2"] * 20_000)

    assert "field larger than field limit" in str(lines[0].error)
    assert lines[-1].fields == ROW


def test_a_document_is_read_call_by_call() -> None:
    export = json.dumps({"schema": "tracker.usages/1", "usage": [ROW, ROW]}, indent=2)

    lines = document(export)

    assert fields(lines) == [ROW, ROW]
    assert [line.number for line in lines] == [4, 10]
    assert fields(document(json.dumps([ROW]))) == [ROW]
    assert document('{"schema": "tracker.usages/1", "usage": []}') == []


def test_a_large_document_is_read_in_pieces() -> None:
    rows = [{**ROW, "project": "搜索" * 40, "input_tokens": number} for number in range(3_000)]

    assert fields(document(json.dumps(rows, ensure_ascii=False))) == rows


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{\n"schema": "other/1"}', "line 1: this JSON is neither"),
        ('[{"a": 1,\n"a": 2}]', "line 1: field 'a' is given twice"),
        ("[{}\n{}]", "line 2: expected ,"),
        ("[{},", "line 1: the document breaks off"),
        ('[{},\n{"a"', "line 2: not JSON"),
        ("[", "line 1: the document breaks off"),
    ],
)
def test_a_malformed_document_is_refused_by_line(text: str, reason: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        document(text)

    assert reason in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "head", "format"),
    [
        ("calls.jsonl", b'{"provider": "a"}\n', "jsonl"),
        ("", b'\xef\xbb\xbf\n {"provider": "a"}', "jsonl"),
        ("calls.json", b'{\n  "schema": "tracker.usages/1",\n  "usage": [', "json"),
        ("", b"[]", "json"),
        ("calls.csv", b"provider,model\r\n", "csv"),
        ("", b"model,provider\n", "csv"),
        ("calls.csv", b"model\n", "csv"),
        ("calls.csv", b'{"provider": "a"}\n', "jsonl"),
    ],
)
def test_the_format_is_told_by_content_first(name: str, head: bytes, format: str) -> None:
    assert registry.choose("auto", name, head).name == format


@pytest.mark.parametrize(
    ("format", "head", "reason"),
    [
        ("auto", b"", "the file is empty"),
        ("jsonl", b"\xef\xbb\xbf \n", "the file is empty"),
        ("auto", "provider,model\n".encode("utf-16"), "line 1: the file is UTF-16"),
        ("csv", "provider,model\n".encode("utf-16-le"), "line 1: the file is UTF-16"),
        ("auto", b"hello\n", "not recognised; name it with --format jsonl|json|csv"),
        ("xml", b"<a/>", "format 'xml' is not known; choose from auto, jsonl, json, csv"),
    ],
)
def test_what_no_format_reads_is_refused(format: str, head: bytes, reason: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        registry.choose(format, "log", head)

    assert reason in str(refusal.value)


@given(st.binary(max_size=300))
def test_no_bytes_break_a_reader(data: bytes) -> None:
    for format in registry.FORMATS:
        try:
            lines = list(format.read(io.BytesIO(data)))
        except InvalidValue:
            continue
        assert all((line.fields is None) == (line.error is not None) for line in lines)
