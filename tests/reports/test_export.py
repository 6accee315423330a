"""Reports as tables, documents and files."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from typer.testing import CliRunner

import tracker
from tests.builders import Clock, grant, offer, use, utc
from tracker.cli import main
from tracker.ledger import Ledger
from tracker.text import spreadsheet_restore

Run = Callable[..., str]


@pytest.fixture
def address(sqlite_url: Callable[[], str]) -> str:
    return sqlite_url()


@pytest.fixture
def small(address: str) -> Iterator[Ledger]:
    with tracker.open(address, clock=Clock(utc("2024-07-20"))) as ledger:
        offer(ledger, "baidu", "ernie-3.5-8k", price=12)
        offer(ledger, "tencent", "hunyuan-pro", price=(30, 100))
        grant(
            ledger, 1_000, "t", provider="tencent", starts_at="2024-07-01", expires_at="2024-07-31"
        )
        use(ledger, 5_000, provider="baidu", model="ernie-3.5-8k", at=utc("2024-07-15T03:04:05"),
            project="=SUM(A1)")  # fmt: skip
        use(ledger, 800, provider="tencent", model="hunyuan-pro", at=utc("2024-07-16"),
            output_tokens=400, project="搜索")  # fmt: skip
        yield ledger


@pytest.fixture
def run(small: Ledger, address: str) -> Run:
    def run(*arguments: str, code: int = 0) -> str:
        result = CliRunner().invoke(main.app, ["--db", address, "report", *arguments])
        assert result.exit_code == code, result.output
        return result.stdout if code == 0 else result.stderr

    return run


USAGE_TABLE = """\
DAY         PROVIDER  CALLS  INPUT  OUTPUT   LIST    CASH   SAVED
2024-07-15  baidu         1     5k       0   0.06    0.06    0.00  CNY
2024-07-16  tencent       1    800     400  0.064  0.0107  0.0533  CNY
──────────────────────────────────────────────────────────────────────
total                     2   5.8k     400  0.124  0.0707  0.0533  CNY
"""
SAVINGS_TABLE = """\
PROVIDER  CALLS  TOKENS  BY CREDIT  SHARE   LIST    CASH   SAVED
baidu         1      5k          0     0%   0.06    0.06    0.00  CNY
tencent       1    1.2k         1k  83.3%  0.064  0.0107  0.0533  CNY
─────────────────────────────────────────────────────────────────────
total         2    6.2k         1k  16.1%  0.124  0.0707  0.0533  CNY
"""


def test_tables_read_like_this(run: Run) -> None:
    assert run("usage") == USAGE_TABLE
    assert run("savings") == SAVINGS_TABLE


def test_the_expiry_table_reads_like_this(address: str) -> None:
    with tracker.open(address, clock=Clock(utc("2024-07-20"))) as ledger:
        offer(ledger, "tencent", "hunyuan-pro", price=(30, 100))
        grant(
            ledger,
            "100m",
            "july",
            provider="tencent",
            starts_at="2024-07-10",
            expires_at="2024-07-31",
        )
        use(ledger, 7_000_000, provider="tencent", model="hunyuan-pro", at=utc("2024-07-12"))

    result = CliRunner().invoke(
        main.app, ["--db", address, "report", "expiry", "--at", "2024-07-19T00:00:00+08:00"]
    )

    assert result.stdout == (
        "GRANT  ENDS        LEFT  A DAY  NEEDED  FORFEIT  WORTH\n"
        "july   2024-07-31   93m  1.05m   7.15m    79.3m  2,380.50 to 7,935 CNY\n"
    )


def test_json_says_everything_exactly(run: Run) -> None:
    document = json.loads(
        run("usage", "--by", "day,project", "--json", "--timezone", "Asia/Shanghai")
    )

    assert document["schema"] == "tracker.report.usage/1"
    assert document["by"] == ["day", "project"]
    assert document["timezone"] == "Asia/Shanghai"
    assert document["rows"][1] == {
        "day": "2024-07-16",
        "project": "搜索",
        "calls": 1,
        "input_tokens": 800,
        "cached_tokens": 0,
        "output_tokens": 400,
        "reasoning_tokens": 0,
        "overage_tokens": 200,
        "currency": "CNY",
        "list_cost": {"amount": "0.064", "currency": "CNY"},
        "cash_cost": {"amount": "0.010666667", "currency": "CNY"},
        "saved": {"amount": "0.053333333", "currency": "CNY"},
        "unpriced_calls": 0,
    }
    assert [total["calls"] for total in document["totals"]] == [2]


def test_a_cell_of_csv_is_no_formula_and_gives_back_what_is_stored(run: Run) -> None:
    found = list(csv.DictReader(io.StringIO(run("usage", "--by", "project", "--format", "csv"))))

    assert found[0]["project"] == "'=SUM(A1)"
    assert spreadsheet_restore(found[0]["project"]) == "=SUM(A1)"
    assert [row["list_cost"] for row in found] == ["0.06", "0.064"]


def test_an_empty_report_is_a_header(address: str) -> None:
    tracker.open(address).close()
    runner = CliRunner()

    for arguments, wanted in (
        (["usage", "--format", "csv"], "day,provider,calls,"),
        (["savings", "--format", "markdown"], "| Provider |"),
        (["usage"], "DAY  PROVIDER"),
        (["expiry"], "no grant has a known end"),
    ):
        result = runner.invoke(main.app, ["--db", address, "report", *arguments])
        assert result.exit_code == 0
        assert result.stdout.startswith(wanted)


@pytest.mark.parametrize("suffix", ["csv", "json", "md", "parquet"])
def test_a_file_is_private_whole_and_never_replaced_by_surprise(
    run: Run, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"july.{suffix}"
    umask = os.umask(0)
    try:
        run("usage", "--output", str(path))
    finally:
        os.umask(umask)
    before = path.read_bytes()

    refusal = run("usage", "--by", "month", "--output", str(path), code=1)

    assert "exists already" in refusal
    assert path.read_bytes() == before
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    run("usage", "--by", "month", "--output", str(path), "--force")
    assert path.read_bytes() != before
    assert [one.name for one in tmp_path.iterdir() if one.name.endswith(".new")] == []


def test_a_file_says_what_the_terminal_says(run: Run, tmp_path: Path) -> None:
    for format, suffix in (("csv", "csv"), ("json", "json"), ("markdown", "md")):
        path = tmp_path / f"out.{suffix}"
        run("usage", "--output", str(path))
        assert path.read_text("utf-8") == run("usage", "--format", format)


def test_parquet_keeps_integers_and_text_as_they_are(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    run("usage", "--by", "project", "--output", str(path))

    table = pyarrow.parquet.read_table(path)

    assert table.column("project").to_pylist() == ["=SUM(A1)", "搜索"]
    assert table.column("list_cost_nano").to_pylist() == [60_000_000, 64_000_000]
    assert table.schema.field("calls").type == pyarrow.int64()
    assert table.schema.metadata == {b"tracker": b"tracker.report.usage/1"}
    assert all(field.type != pyarrow.float64() for field in table.schema)


def test_parquet_without_its_library_names_what_to_install(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    refusal = run("usage", "--output", str(tmp_path / "out.parquet"), code=2)

    assert 'pip install "tracker[parquet]"' in refusal
    assert not (tmp_path / "out.parquet").exists()


def test_an_unknown_suffix_or_folder_is_refused(run: Run, tmp_path: Path) -> None:
    assert ".parquet" in run("usage", "--output", str(tmp_path / "out.xlsx"), code=2)
    assert "cannot be written" in run("usage", "--output", str(tmp_path / "no" / "x.csv"), code=2)
