from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.conftest import Run, invoke
from tracker.cli.words import compact
from tracker.text import width

PLAIN = """\
GRANT                   AVAILABLE  SPENT   HELD      OF  ENDS
Tencent 腾讯 (Hunyuan)      67.4m  32.5m      0    100m  2024-07-31, 3 days left
  tencent-july · active · all models
Baidu 百度 (ERNIE)            50m      0      0     50m  unknown
  baidu-ernie · active · ernie-3.5*
DeepSeek 深度求索          10 CNY  0 CNY  0 CNY  10 CNY  never
  deepseek-10 · active · all models
────────────────────────────────────────────────────────────────────────────────
total in CNY               10 CNY  0 CNY  0 CNY  10 CNY
total tokens                 117m  32.5m      0    150m
"""

TERMINAL = """\
GRANT                   AVAILABLE  SPENT   HELD      OF  ENDS
Tencent 腾讯 (Hunyuan)      67.4m  32.5m      0    100m  2024-07-31, 3 days left
█████████████▍░░░░░░  tencent-july · active · all models
Baidu 百度 (ERNIE)            50m      0      0     50m  unknown
████████████████████  baidu-ernie · active · ernie-3.5*
DeepSeek 深度求索          10 CNY  0 CNY  0 CNY  10 CNY  never
████████████████████  deepseek-10 · active · all models
────────────────────────────────────────────────────────────────────────────────
total in CNY               10 CNY  0 CNY  0 CNY  10 CNY
total tokens                 117m  32.5m      0    150m
"""

AUGUST = """\
GRANT                 AVAILABLE  SPENT   HELD      OF  ENDS
Baidu 百度 (ERNIE)          50m      0      0     50m  unknown
  baidu-ernie · active · ernie-3.5*
DeepSeek 深度求索        10 CNY  0 CNY  0 CNY  10 CNY  never
  deepseek-10 · active · all models
──────────────────────────────────────────────────────────────
total in CNY             10 CNY  0 CNY  0 CNY  10 CNY
total tokens                50m      0      0     50m

ENDED WITH CREDIT LEFT
Tencent 腾讯 (Hunyuan)  67.4m forfeited of 100m, expired 2024-07-31, 1 day ago
  tencent-july · all models
"""

SPEND = (
    *("usage", "log", "--provider", "tencent", "--model", "hunyuan-pro"),
    *("--input", "29000001", "--output", "3.5m", "--at", "2024-07-15"),
)


def test_a_balance_is_two_lines_a_grant_soonest_to_end_first(run: Run) -> None:
    run(*SPEND)

    assert run("balance", "--at", "2024-07-28").out == PLAIN


def test_a_terminal_gets_bars_in_place_of_blanks(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run(*SPEND)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")

    assert run("balance", "--at", "2024-07-28", tty=True).out == TERMINAL


def test_colour_changes_nothing_but_the_colour(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run(*SPEND)
    monkeypatch.setenv("COLUMNS", "80")

    out = run("balance", "--at", "2024-07-28", tty=True).out

    assert "\x1b[31m2024-07-31, 3 days left\x1b[0m" in out
    assert re.sub("\x1b\\[[0-9;]*m", "", out) == TERMINAL


def test_a_dumb_terminal_and_a_pipe_get_neither_colour_nor_bars(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(*SPEND)
    monkeypatch.setenv("COLUMNS", "80")
    assert run("balance", "--at", "2024-07-28").out == PLAIN
    monkeypatch.setenv("TERM", "dumb")
    assert run("balance", "--at", "2024-07-28", tty=True).out == PLAIN


def test_colour_can_be_forced_into_a_pipe_but_not_against_no_color(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in run("balance").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in run("balance").out


def test_credit_that_expired_unused_is_told_without_asking(run: Run) -> None:
    run(*SPEND)

    assert run("balance", "--at", "2024-08-02").out == AUGUST


def test_today_tencents_grant_of_the_catalogue_has_expired_and_is_forfeited(
    full_ledger: Path,
) -> None:
    out = invoke("--db", str(full_ledger), "balance").out

    line = next(line for line in out.splitlines() if line.startswith("Tencent"))
    assert "100m forfeited, expired 2024-07-31" in line


@pytest.mark.parametrize("columns", [60, 80, 100, 132])
def test_no_line_is_wider_than_the_terminal(
    full_ledger: Path, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    for at in ("2024-07-15", "2024-07-31", "2026-01-01"):
        for all_of_them in ((), ("--all",)):
            args = ("--db", str(full_ledger), "balance", "--at", at, *all_of_them)
            out = invoke(*args, tty=True).out
            assert max(map(width, out.splitlines())) <= columns, out


def test_what_ends_at_the_provider_is_shown_in_its_days(run: Run) -> None:
    last_minute = run("balance", "--provider", "tencent", "--at", "2024-07-31T15:59:00Z").out
    over = run("balance", "--provider", "tencent", "--at", "2024-07-31T16:00:00Z").out

    assert "2024-07-31, 1 minute left" in last_minute
    assert "100m forfeited, expired 2024-07-31" in over


def test_a_date_means_the_providers_day_where_one_is_named(run: Run) -> None:
    assert run("balance", "-p", "tencent", "--at", "2024-08-01", "--json").json["at"] == (
        "2024-07-31T16:00:00Z"
    )
    assert run("balance", "--at", "2024-08-01", "--json").json["at"] == "2024-08-01T00:00:00Z"


@pytest.mark.parametrize(
    ("tokens", "shown"),
    [
        (0, "0"),
        (999, "999"),
        (1_000, "1k"),
        (1_999, "1.99k"),
        (49_999_999, "49.9m"),
        (99_999_999, "99.9m"),
        (999_999_999, "999m"),
        (1_500_000_000, "1.5b"),
        (2**62, "4,611,686,018b"),
    ],
)
def test_what_is_available_is_never_rounded_up(tokens: int, shown: str) -> None:
    assert compact(tokens) == shown


@pytest.mark.parametrize(
    ("nano", "shown"),
    [
        (0, "0 CNY"),
        (1, "0.000000001 CNY"),
        (2_345_678, "0.00234 CNY"),
        (999_999_999, "0.999 CNY"),
        (36_599_999_999, "36.59 CNY"),
    ],
)
def test_money_is_cut_where_it_says_little(nano: int, shown: str) -> None:
    assert compact(nano, "CNY") == shown


def test_the_json_is_what_other_programs_rely_on(run: Run) -> None:
    run(*SPEND)

    found = run("balance", "--at", "2024-07-28", "--json").json

    assert found["schema"] == "tracker.balance/1"
    assert found["at"] == "2024-07-28T00:00:00Z"
    first = found["grants"][0]
    wanted = {
        "id": "tencent-july", "provider": "tencent", "account": "default", "models": ["*"],
        "unit": "tokens", "amount": 100_000_000, "spent": 32_500_001, "held": 0,
        "remaining": 67_499_999, "available": 67_499_999, "priority": 50, "state": "active",
        "starts_at": "2024-06-30T16:00:00Z", "expires_at": "2024-07-31T16:00:00Z",
    }  # fmt: skip
    assert wanted.items() <= first.items()
    assert found["grants"][2]["available"] == {"amount": "10", "currency": "CNY"}
    assert found["totals"][1] == {
        "unit": "tokens", "amount": 150_000_000, "spent": 32_500_001, "held": 0,
        "remaining": 117_499_999, "available": 117_499_999,
    }  # fmt: skip


def test_ended_grants_are_in_the_json_only_with_all(run: Run) -> None:
    def shown(*more: str) -> dict[str, str]:
        grants = run("balance", "--at", "2024-08-02", "--json", *more).json["grants"]
        return {grant["id"]: grant["state"] for grant in grants}

    assert "tencent-july" not in shown()
    assert shown("--all")["tencent-july"] == "expired"


def test_an_empty_ledger_has_an_empty_balance(tmp_path: Path) -> None:
    db = ("--db", str(tmp_path / "new.db"))
    invoke(*db, "init", "--catalogue", "none")

    table = invoke(*db, "balance")

    assert (table.code, table.out) == (0, "no grants\n")
    assert "tracker init" in table.err
    assert invoke(*db, "balance", "--json").json["grants"] == []
    assert invoke(*db, "balance", "--format", "csv").out.count("\n") == 1


def test_guard_says_yes_or_no_by_its_exit_code(run: Run) -> None:
    yes = run("guard", "--provider", "baidu", "--min", "50m")
    no = run("guard", "--provider", "baidu", "--min", "50000001")
    elsewhere = run("guard", "--model", "hunyuan-pro", "--min", "1")

    assert (yes.code, yes.out) == (0, "enough: 50m tokens available, 50m asked for\n")
    assert no.code == 3
    assert no.out == "not enough: 50,000,000 tokens available, 50,000,001 asked for\n"
    assert elsewhere.code == 3
    assert run("guard", "--min", "1b", "--json").json["ok"] is False
