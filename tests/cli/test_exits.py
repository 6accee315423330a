from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run, invoke
from tracker import errors
from tracker.cli import exits

REPOSITORY = Path(__file__).resolve().parents[2]


def start(*args: str, **env: str) -> subprocess.Popen[str]:
    """Start the real thing in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "tracker", *args],
        cwd=REPOSITORY,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_every_error_has_a_code_and_no_other_place_knows_them() -> None:
    codes = {
        errors.InvalidValue: 2, errors.NotFound: 1, errors.AlreadyExists: 1, errors.NoOffer: 3,
        errors.NoPrice: 1, errors.NoRate: 1, errors.RequestConflict: 5, errors.ReservationClosed: 1,
        errors.LedgerUnavailable: 4, errors.SchemaMismatch: 4, errors.LedgerDamaged: 4,
        errors.OutcomeUnknown: 75,
    }  # fmt: skip

    def below(kind: type[errors.TrackerError]) -> set[type[errors.TrackerError]]:
        return {kind}.union(*map(below, kind.__subclasses__()))

    assert set(codes) == below(errors.TrackerError) - {errors.TrackerError}
    for kind, code in codes.items():
        named = kind in (errors.InvalidValue, errors.RequestConflict)
        assert exits.exit_code(kind("m", field="f") if named else kind("m")) == code


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("blance", 2, "Did you mean 'balance'?"),
        ("balance --nope", 2, "No such option"),
        ("balance --format xml", 2, "xml"),
        ("grants add --amount 1", 2, "Missing option '--provider'"),
        ("grants add -p baidu --amount 1.5", 2, "'1.5' is not an amount"),
        ("grants add -p baidu --amount 0", 2, "out of range"),
        ("grants add -p baidu --amount 9223372036854775808", 2, "out of range"),
        ("grants add -p baidu --amount 1m --expires 2024-02-30", 2, "not a day of the calendar"),
        ("grants add -p baidu --amount 1m --expires 2024-02-20T10:00", 2, "has no offset"),
        ("grants add -p nobody --amount 1m", 1, "tracker providers add"),
        ("grants add -p baidu --amount 1m --id tencent-july", 1, "there already"),
        ("grants show nothing", 1, "tracker grants list"),
        ("grants claim nothing", 1, "tracker catalogue"),
        ("settle nothing --input 1 --output 1", 1, "not in the ledger"),
        ("usage void 0000000000000", 1, "not in the ledger"),
        ("usage list --limit 0", 2, "limit: 0 is out of range"),
        ("usage list --limit 99999999999999999999", 2, "not a whole number"),
        ("usage list --limit +7", 2, "not a whole number"),
        ("grants add -p baidu --amount 1m --priority 1_000", 2, "not a whole number"),
        ("usage list --since yesterday", 2, "'yesterday' is not a date"),
        ("usage log -p deepseek -m deepseek-coder -i 1 -o 1 --at 2024-07-01", 1, "prices set"),
        ("usage log -p baidu -m ernie-3.5-8k -i 1 -o 1 --tag x", 2, "KEY=VALUE"),
        ("usage log -p baidu -m ernie-3.5-8k -i 1 -o 1 --cached 2", 2, "cached_tokens"),
        ("usage list --model 1;DROP", 1, "tracker models list"),
        ("route -m chat -i 1 -o 1 --provider nobody", 1, "tracker providers list"),
        ("route -m chat -i 1 -o 1 --provider baidu --exclude baidu", 3, "no offer"),
        ("route -m nothing -i 1 -o 1", 1, "tracker models list"),
        ("guard --min 1b", 3, ""),
        ("prices set baidu ernie-3.5-8k --input nan --output 1", 2, "input: 'nan'"),
        ("prices set baidu ernie-3.5-8k --input 1 --output 1 --from 2024-01-01", 1, "already"),
        ("rates set USD USD 1", 2, "needs no rate"),
        ("reconcile -p baidu -g tencent-july --remaining 1m", 1, "tracker grants list"),
        ("catalogue show nothing", 1, "china-2024-07"),
        ("verify", 0, ""),
    ],
)
def test_exit_codes_and_what_is_said(run: Run, line: str, code: int, said: str) -> None:
    ran = run(line)

    assert ran.code == code, ran
    assert said in ran.err
    assert ran.err.count("\n") <= 2, ran.err
    assert "Traceback" not in ran.err
    assert code == 0 or line.startswith("guard") or ran.err.startswith("error: ")


def test_a_refusal_leaves_no_trace(run: Run) -> None:
    before = run("db", "status", "--json").json["rows"]
    for line in (
        "grants add -p baidu --amount 1.5",
        "usage log -p baidu -m ernie-3.5-8k -i x -o 1",
        "usage log -p deepseek -m deepseek-coder -i 1 -o 1 --at 2024-07-01",
        "route -m chat -i 1 -o 1 --free-only -p openai --hold --ttl 1x",
        "rates set USD CNY 0",
    ):
        assert run(line).code in (1, 2)
    assert run("db", "status", "--json").json["rows"] == before


@pytest.mark.parametrize(
    "line",
    [
        "balance", "verify", "usage list", "db status", "guard --min 1", "grants list",
        "grants add -p baidu --amount 1m", "usage log -p baidu -m x -i 1 -o 1",
        "prices set baidu x --input 1 --output 1", "route -m chat -i 1 -o 1 --hold",
    ],
)  # fmt: skip
def test_a_mistyped_path_does_not_become_a_ledger(tmp_path: Path, line: str) -> None:
    path = tmp_path / "nowhere" / "ledger.db"

    ran = invoke("--db", str(path), *line.split())

    assert ran.code == 4
    assert 'run "tracker init"' in ran.err
    assert not path.parent.exists()


def test_what_is_no_ledger_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "photo.db"
    path.write_bytes(b"\xff\xd8\xff\xe0" + b"\0" * 2000)

    ran = invoke("--db", str(path), "balance")

    assert (ran.code, ran.out) == (4, "")
    assert path.read_bytes() == b"\xff\xd8\xff\xe0" + b"\0" * 2000


def test_the_ledger_can_be_named_before_after_and_in_the_environment(
    ledger_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = invoke("--db", str(ledger_path), "db", "path").out
    after = invoke("db", "path", "--db", str(ledger_path)).out
    monkeypatch.setenv("TRACKER_DB", str(ledger_path))
    environment = invoke("db", "path").out

    assert before == after == environment == f"{ledger_path}\n"
    assert invoke("--db", "a.db", "db", "path", "--db", "b.db").out == "b.db\n"
    monkeypatch.delenv("TRACKER_DB")
    assert invoke("db", "path").out == f"{tmp_path / 'data' / 'tracker' / 'ledger.db'}\n"


def test_a_password_is_never_printed() -> None:
    ran = invoke("--db", "postgresql://me:secret@nowhere.invalid/ledger", "db", "path")

    assert "secret" not in ran.out
    assert "nowhere.invalid/ledger" in ran.out


def test_an_unsure_write_tells_the_request_id_to_repeat(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tracker.service import recording

    def unsure(*args: object, **named: object) -> None:
        raise errors.OutcomeUnknown("the commit was cut short")

    monkeypatch.setattr(recording, "log_usage", unsure)

    line = "usage log -p baidu -m ernie-3.5-8k -i 1 -o 1"
    ran = run(line)

    assert ran.code == 75
    assert "--request-id cli-" in ran.err


def test_a_mistake_of_ours_is_owned_up_to_without_a_traceback(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tracker.service import balances

    def broken(*args: object, **named: object) -> None:
        raise KeyError("oops")

    monkeypatch.setattr(balances, "balance", broken)

    quiet = run("balance")
    monkeypatch.setenv("TRACKER_DEBUG", "1")
    loud = run("balance")

    assert quiet.code == loud.code == 1
    assert "Traceback" not in quiet.err
    assert "TRACKER_DEBUG=1" in quiet.err
    assert "Traceback" in loud.err
    assert "oops" in loud.err


def test_debugging_shows_where_a_refusal_comes_from(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKER_DEBUG", "1")

    ran = run("grants", "show", "nothing")

    assert ran.code == 1
    assert "Traceback" in ran.err


def test_ctrl_c_ends_with_130(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from tracker.service import balances

    def interrupted(*args: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(balances, "balance", interrupted)

    ran = run("balance")

    assert ran.code == 130
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("line", ["prices list", "catalogue show china-2024-07 --json", "--help"])
def test_a_closed_pipe_is_no_news(full_ledger: Path, line: str) -> None:
    process = start("--db", str(full_ledger), *line.split())
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()

    said = process.stderr.read()
    process.stderr.close()

    assert process.wait() == (1 if line == "--help" else 141)  # typer itself prints the help
    assert said == ""


def test_the_real_thing_runs_in_a_process(ledger_path: Path) -> None:
    process = start("balance", "--json", TRACKER_DB=str(ledger_path))
    out, err = process.communicate()

    assert (process.returncode, err) == (0, "")
    assert '"schema": "tracker.balance/1"' in out


def test_a_terminal_that_knows_no_unicode_still_gets_an_answer(ledger_path: Path) -> None:
    for format in ("table", "json", "csv", "markdown"):
        process = start(
            *("--db", str(ledger_path), "balance", "--format", format), PYTHONIOENCODING="ascii"
        )
        out, err = process.communicate()
        assert (process.returncode, err) == (0, "")
        assert out.isascii()
