from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from tests.cli.conftest import Run, invoke
from tracker.store import sqlite as lite


def test_init_says_what_it_added_and_repeating_it_adds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "new" / "ledger.db"
    first = invoke("--db", str(path), "init")
    second = invoke("--db", str(path), "init", "--json")

    assert first.code == second.code == 0
    assert "added 15 providers" in first.out
    assert "tracker balance" in first.err
    assert second.json["schema"] == "tracker.init/1"
    assert [second.json[name] for name in ("providers", "models", "prices", "grants")] == [0] * 4
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_an_unknown_catalogue_makes_no_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"

    ran = invoke("--db", str(path), "init", "--catalogue", "china-2042")

    assert ran.code == 1
    assert "china-2024-07" in ran.err
    assert not path.exists()


def test_adding_the_first_provider_makes_the_ledger(tmp_path: Path) -> None:
    db = ("--db", str(tmp_path / "new.db"))

    assert invoke(*db, "providers", "add", "baidu").code == 0
    assert invoke(*db, "providers", "list", "--json").json["providers"][0]["id"] == "baidu"


def test_grants_are_added_shown_adjusted_and_voided(run: Run) -> None:
    added = run("grants add -p baidu --amount 5000万 --expires 2099-12-31 --id b2")
    assert added.out == (
        "grant b2: 50m tokens at Baidu 百度 (ERNIE) for all models, until 2099-12-31, active\n"
    )
    adjusted = run(
        "grants", "adjust", "b2", "--remaining", "49.5m", "--reason", "by hand", "--json"
    )
    assert adjusted.json["remaining"] == 49_500_000

    shown = run("grants", "show", "b2")
    assert "49,500,000 available" in shown.out
    assert "by hand" in shown.out
    document = run("grants", "show", "b2", "--json").json
    assert [entry["kind"] for entry in document["journal"]] == ["grant", "adjust"]
    assert document["balance"]["written_off"] == 500_000

    assert run("grants", "void", "b2").out.endswith("voided\n")
    assert run("grants", "void", "b2").code == 0
    assert "b2" not in run("balance").out


def test_adding_the_same_grant_again_changes_nothing(run: Run) -> None:
    again = "grants add -p baidu --amount 7m --starts 2024-07-01 --id again --json"

    assert run(again).json == run(again).json
    assert run(again, "--priority", "1").code == 1


def test_a_recurring_grant_shows_its_window(run: Run) -> None:
    run("grants add -p baidu --amount 100 --unit requests --every daily --id d")

    assert "100 requests daily" in run("grants", "show", "d").out
    grants = run("grants list --json").json["grants"]
    assert next(one for one in grants if one["id"] == "d")["every"] == "daily"
    assert "d@20" in run("balance").out


def test_a_template_is_claimed(full_ledger: Path, tmp_path: Path) -> None:
    path = tmp_path / "full.db"
    path.write_bytes(full_ledger.read_bytes())
    db = ("--db", str(path))
    templates = invoke("catalogue", "show", "china-2024-07", "--json").json["grants"]
    template = next(one for one in templates if one["valid_for"] and one["amount"])

    claimed = invoke(*db, "grants", "claim", template["id"], "--on", "2024-07-15", "--json")

    assert claimed.code == 0, claimed
    assert claimed.json["id"] == template["id"]
    assert claimed.json["starts_at"] == "2024-07-14T16:00:00Z"
    refused = invoke(*db, "grants", "claim", template["id"], "--on", "15.7.2024")
    assert (refused.code, refused.err.count("\n")) == (2, 1)


def test_a_catalogue_shows_what_it_knows_and_what_nobody_knows() -> None:
    listed = invoke("catalogue", "list")
    shown = invoke("catalogue", "show", "china-2024-07")

    assert "china-2024-07" in listed.out
    assert "sensetime-2024 held  50m tokens  all models" in shown.out
    assert "unknown  which models it covers" in shown.out
    assert invoke("catalogue", "show", "china-2024-07", "--format", "csv").out.startswith("id,")


def test_a_price_change_is_a_new_row_and_the_old_one_stays(run: Run) -> None:
    run("prices set tencent hunyuan-pro --input 20 --output 80 --from 2024-09-01")

    def prices(*more: str) -> list[tuple[str, str, bool]]:
        found = run("prices list -m hunyuan-pro --json", *more).json["prices"]
        return [(one["input"], one["valid_from"], one["current"]) for one in found]

    old, new = ("30", "2024-05-21T16:00:00Z"), ("20", "2024-08-31T16:00:00Z")
    assert prices("--at", "2024-07-15") == [(*old, True), (*new, False)]
    assert prices("--at", "2024-09-01") == [(*old, False), (*new, True)]
    assert prices("--at", "2024-07-15", "--current") == [(*old, True)]


def test_a_price_tells_its_source_day_and_how_sure_it_is(full_ledger: Path) -> None:
    found = invoke("--db", str(full_ledger), "prices", "list", "-p", "zhipu", "--json").json

    assert all(one["source"] and one["checked_on"] and one["confidence"] for one in found["prices"])


def test_models_say_when_they_are_offered(run: Run) -> None:
    def offered(at: str) -> str:
        found = run("models", "list", "-p", "openai", "--at", at, "--json").json["models"]
        return str(found[0]["availability"])

    assert offered("2024-07-08") == "yes"
    assert offered("2024-07-09") == "blocked in CN"
    assert run("models", "list", "--group", "chat-large").out.count("\n") == 2


def test_rates_and_providers_are_listed(run: Run) -> None:
    assert run("rates", "list", "--json").json["rates"][0]["rate"] == "7.26"
    assert "Tencent 腾讯 (Hunyuan)" in run("providers", "list").out
    shown = run("providers", "show", "baidu", "--json").json
    assert shown["grants"] == ["baidu-ernie"]
    assert shown["models"][0]["aliases"] == ["completions"]


def test_usage_is_logged_listed_and_voided(run: Run) -> None:
    line = (
        "usage log -p tencent -m HUNYUAN-PRO -i 1200 -o 150 --cached 800 --reasoning 100 "
        "--at 2024-07-15T09:30:00+08:00 --request-id r1 --project search --user ann "
        "--tag run=42 --tag a=b --json"
    )
    logged = run(line).json
    assert run(line).json == logged
    assert logged["schema"] == "tracker.usage/1"
    assert logged["model"] == "hunyuan-pro"
    assert logged["draws"][0]["grant"] == "tencent-july"
    assert logged["tags"] == {"a": "b", "run": "42"}
    assert logged["saved"] == {"amount": "0.051", "currency": "CNY"}

    def found(*filters: str) -> list[str]:
        listed = run("usage", "list", "--json", *filters).json
        return [one["id"] for one in listed["usage"]]

    assert found() == found("--project", "search", "--user", "ann") == [logged["id"]]
    assert found("-p", "tencent", "--since", "2024-07-15", "--until", "2024-07-15") == found()
    assert found("-p", "tencent", "--since", "2024-07-16") == []
    assert found("-m", "hunyuan-standard") == found("--project", "other") == []

    assert "voided usage" in run("usage", "void", logged["id"], "--reason", "twice").out
    assert run("grants", "show", "tencent-july", "--json").json["balance"]["spent"] == 0
    assert run("verify").code == 0


def test_a_list_says_when_there_is_more(run: Run) -> None:
    for number in range(3):
        run(f"usage log -p baidu -m ernie-3.5-8k -i 1 -o 1 --request-id {number}")

    ran = run("usage", "list", "--limit", "2")

    assert ran.out.count("\n") == 3
    assert "--limit shows more" in ran.err


def test_reconcile_shows_the_drift_and_records_it(run: Run) -> None:
    run("usage log -p baidu -m ernie-3.5-8k -i 1m -o 1m --at 2024-07-15")
    console = "reconcile -p baidu -g baidu-ernie --remaining 47.9m"

    looked = run(console, "--dry-run")
    recorded = run(console)
    again = run(console, "--json").json

    drift = (
        "ledger says   48,000,000\n"
        "console says  47,900,000\n"
        "drift           -100,000  (-5.0% of the 2,000,000 spent)\n"
    )
    assert looked.out == drift + "nothing recorded (--dry-run)\n"
    assert recorded.out == drift + (
        "recorded: 100,000 written off; baidu-ernie has 47,900,000 left\n"
    )
    assert (again["drift"], again["recorded"], again["remaining"]) == (0, False, 47_900_000)
    journal = run("grants", "show", "baidu-ernie", "--json").json["journal"]
    assert journal[-1]["reason"] == "reconcile: console says 47.9m"
    more = run("reconcile -p baidu -g baidu-ernie --remaining 50m")
    assert "recorded: 2,100,000 added" in more.out


def test_verify_names_what_differs(run: Run, ledger_path: Path) -> None:
    assert run("verify", "--json").json["ok"] is True
    connection = lite.sqlite3.connect(str(ledger_path))
    with connection:
        connection.execute("UPDATE grants SET available = available - 7, spent = spent + 7")
    connection.close()

    ran = run("verify")

    assert ran.code == 1
    assert "grant tencent-july" in ran.out
    assert "problem" in ran.err
    assert run("verify", "--json").json["problems"]


def test_db_status_tells_how_the_ledger_is_kept(run: Run, ledger_path: Path) -> None:
    ran = run("db", "status")
    document = run("db", "status", "--json").json

    assert f"ledger       {ledger_path}" in ran.out
    assert f"SQLite {lite.sqlite3.sqlite_version}" in ran.out
    assert document["rows"]["grants"] == 3
    assert document["mode"] == "0600"
    assert document["journal_mode"] == ("WAL" if lite.wal_is_safe() else "TRUNCATE")


def test_a_sqlite_that_can_corrupt_a_wal_is_warned_of(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lite, "wal_is_safe", lambda: False)

    ran = run("db", "status")

    assert ran.code == 0
    assert ran.err.startswith(f"warning: SQLite {lite.sqlite3.sqlite_version} ")
    assert "TRUNCATE" in ran.out


def test_a_ledger_others_can_read_is_warned_of(run: Run, ledger_path: Path) -> None:
    ledger_path.chmod(0o644)

    assert "chmod 600" in run("db", "status").err


def test_a_backup_is_whole_private_and_never_overwrites(run: Run, tmp_path: Path) -> None:
    run("usage log -p baidu -m ernie-3.5-8k -i 10 -o 10 --request-id kept")
    target = tmp_path / "copy.db"

    made = run("db", "backup", str(target))

    assert made.code == 0, made
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir() if "copy" in path.name] == ["copy.db"]
    assert invoke("--db", str(target), "verify").code == 0
    kept = invoke("--db", str(target), "usage", "list", "--json").json["usage"]
    assert kept[0]["request_id"] == "kept"
    before = target.read_bytes()
    assert run("db", "backup", str(target)).code == 1
    assert target.read_bytes() == before
    assert run("db", "backup", str(tmp_path / "no" / "copy.db")).code == 4


def test_upgrading_a_current_ledger_changes_nothing(run: Run, ledger_path: Path) -> None:
    before = run("db", "status", "--json").json

    assert "the newest" in run("db", "upgrade").out
    assert run("db", "status", "--json").json == before


def test_markdown_and_csv_hold_exact_numbers(run: Run) -> None:
    out = run("balance", "--at", "2024-07-15", "--format", "markdown").out
    rows = run("balance", "--at", "2024-07-15", "--format", "csv").out.splitlines()

    assert "| 100,000,000 |" in out
    assert rows[1].split(",")[5] == "100000000"
    assert rows[0].startswith("provider,account,id,models,unit,amount,spent,held")


def test_json_on_every_single_answer(run: Run) -> None:
    for line, schema in (
        ("providers add mistral --currency EUR", "provider"),
        ("models add mistral small", "model"),
        ("prices set mistral small --input 1 --output 2", "price"),
        ("rates set EUR CNY 7.8", "rate"),
        ("grants add -p mistral --amount 1m", "grant"),
        ("usage log -p mistral -m small -i 1 -o 1", "usage"),
        ("guard --min 1", "guard"),
    ):
        assert json.loads(run(line, "--json").out)["schema"] == f"tracker.{schema}/1"
