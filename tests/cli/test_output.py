from __future__ import annotations

import csv
import io
import json
import sqlite3
from pathlib import Path

import pytest

from tests.cli.conftest import Run, invoke
from tracker.cli.options import OutputFormat
from tracker.cli.output import Column, emit, emit_json, markdown, table
from tracker.text import spreadsheet_restore, width
from tracker.units import Money

HOSTILE = "\x1b[2J\x1b]0;x\x07\x1b[1A\x1b[2K\x9b31m\r\x08\u202e=cmd|' /C calc'!A0 | `x` [red]{0}%s"
READING = (
    "balance", "balance --all", "grants list", "grants show tencent-july", "providers list",
    "providers show tencent", "models list", "prices list", "rates list", "usage list",
    "reservations list", "verify", "db status", "route -m chat -i 1 -o 1 -e --at 2024-07-15",
)  # fmt: skip
FORMATS = ("table", "json", "csv", "markdown")


@pytest.fixture
def hostile(ledger_path: Path, run: Run) -> Run:
    """A ledger somebody else wrote to: what tracker refuses is in it all the same."""
    run("usage log -p baidu -m ernie-3.5-8k -i 10 -o 5 --project p --at 2024-07-15")
    run("route -m chat -i 1 -o 1 --hold")
    connection = sqlite3.connect(ledger_path)
    with connection:
        connection.execute("UPDATE providers SET name = ?, note = ?", (HOSTILE, HOSTILE))
        connection.execute("UPDATE models SET availability = ?, note = ?", (HOSTILE, HOSTILE))
        connection.execute("UPDATE prices SET source = ?, note = ?", (HOSTILE, HOSTILE))
        connection.execute("UPDATE rates SET source = ?", (HOSTILE,))
        connection.execute("UPDATE grants SET source = ?, note = ?", (HOSTILE, HOSTILE))
        connection.execute("UPDATE journal SET reason = ?", (HOSTILE,))
        connection.execute("UPDATE usage SET project = ?, user_id = ?", (HOSTILE, HOSTILE))
        connection.execute("UPDATE ledger SET revision = revision + 1")
    connection.close()
    return run


@pytest.mark.parametrize("line", READING)
@pytest.mark.parametrize("format", FORMATS)
def test_what_is_stored_never_steers_a_terminal(
    hostile: Run, monkeypatch: pytest.MonkeyPatch, line: str, format: str
) -> None:
    args = ("--json",) if format == "json" else ("--format", format)
    ran = hostile(line, *args)

    assert ran.code in (0, 1), ran.err
    for text in (ran.out, ran.err):
        assert not set("\x1b\x07\x08\r\x9b\u202e") & set(text)
    monkeypatch.setenv("NO_COLOR", "1")
    on_a_terminal = hostile(line, *args, tty=True)
    assert "\x1b" not in on_a_terminal.out


@pytest.mark.parametrize("line", READING)
def test_no_cell_of_a_csv_is_a_formula(hostile: Run, line: str) -> None:
    ran = hostile(line, "--format", "csv")

    for row in csv.reader(io.StringIO(ran.out)):
        for cell in row:
            assert not cell.startswith(("=", "+", "@", "\t")), row


@pytest.mark.parametrize("line", READING)
def test_json_is_json_and_names_its_schema(run: Run, line: str) -> None:
    document = json.loads(run(line, "--json").out)

    assert document["schema"].startswith("tracker.")
    assert document["schema"].endswith("/1")


@pytest.mark.parametrize("line", [line for line in READING if line not in ("verify",)])
def test_every_format_can_be_empty(tmp_path: Path, line: str) -> None:
    db = ("--db", str(tmp_path / "new.db"))
    invoke(*db, "init", "--catalogue", "none")
    if "tencent" in line or line.startswith("route"):
        return
    for format in FORMATS:
        ran = invoke(*db, *line.split(), "--format", format)
        assert ran.code == 0
        assert ran.out


def test_what_goes_out_as_csv_comes_back(capsys: pytest.CaptureFixture[str]) -> None:
    cells = ["=1+1", "+x", "-x", "@x", "'quoted", "plain", 'a "b", c', "two\nlines", "商汤"]

    emit([Column("a")], [[cell] for cell in cells], OutputFormat.CSV, schema="", name="")

    out = capsys.readouterr().out
    assert "\r" not in out
    rows = list(csv.reader(io.StringIO(out)))
    assert [spreadsheet_restore(row[0]) for row in rows[1:]] == cells


def test_a_table_lines_up_wide_characters(capsys: pytest.CaptureFixture[str]) -> None:
    lines = table(["NAME", "N"], [["商汤", "1"], ["Baidu 百度", "22"]], ["<", ">"])

    assert lines == ["NAME         N", "商汤         1", "Baidu 百度  22"]
    assert [width(line) for line in lines] == [14, 14, 14]


def test_a_table_cuts_what_may_be_cut_and_only_as_far_as_needed() -> None:
    rows = [["id-that-must-stay-whole", "a long title that may be cut"]]

    lines = table(["ID", "TITLE"], rows, shrinking=[1], columns=40)

    assert lines[1] == "id-that-must-stay-whole  a long title t…"
    assert table(["ID", "TITLE"], rows, shrinking=[1], columns=0)[1].endswith("may be cut")


def test_markdown_is_taken_literally() -> None:
    lines = markdown(["a|b"], [["x | y"], ["<b>*_`[z]"], ["\x1b[0m"]], [">"])

    assert lines == [
        "| a\\|b |",
        "| ---: |",
        "| x \\| y |",
        "| \\<b>\\*\\_\\`\\[z\\] |",
        "| \\\\x1b\\[0m |",
    ]


def test_json_holds_money_instants_and_names_exactly(capsys: pytest.CaptureFixture[str]) -> None:
    emit_json(
        {"schema": "x/1", "money": Money(12_345_678, "CNY"), "name": "商汤\x1b\x9b\x7f\u202e"}
    )

    out = capsys.readouterr().out

    assert out.replace("\n", "").isprintable()
    found = json.loads(out)
    assert found["money"] == {"amount": "0.012345678", "currency": "CNY"}
    assert found["name"] == "商汤\x1b\x9b\x7f\u202e"
    assert "商汤" in out


def test_a_column_that_nobody_fills_may_stay_away(capsys: pytest.CaptureFixture[str]) -> None:
    columns = [Column("a", "A"), Column("b", "B", optional=True)]

    emit(columns, [("x", None)], OutputFormat.TABLE, schema="", name="")
    emit(columns, [("x", "y")], OutputFormat.TABLE, schema="", name="")

    assert capsys.readouterr().out == "A\nx\nA  B\nx  y\n"
