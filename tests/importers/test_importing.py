"""Importing a log: all of it or nothing, and nothing twice."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import tracker
from tests.builders import START, Clock, buckets, grant, offer, use, utc
from tracker.cli import main
from tracker.errors import AlreadyExists, InvalidValue
from tracker.ledger import Ledger
from tracker.service import recording
from tracker.service.importing import ImportedFile, import_file
from tracker.service.listing import list_usage

AT = "2024-07-14T01:02:03Z"


@pytest.fixture
def acme(ledger: Ledger) -> Ledger:
    offer(ledger)
    offer(ledger, "acme", "acme-secret", price=None)
    grant(ledger, 1_000, "g", models=("acme-*",), starts_at=START - timedelta(days=30))
    return ledger


def row(**fields: Any) -> dict[str, Any]:
    return {
        "provider": "acme", "model": "acme-chat", "input_tokens": 10, "output_tokens": 5, "at": AT,
        **fields,
    }  # fmt: skip


def load(ledger: Ledger, *rows: Any, **how: Any) -> ImportedFile:
    lines = [one if isinstance(one, str) else json.dumps(one) for one in rows]
    return import_file(ledger._opened, io.BytesIO("\n".join(lines).encode()), **how)


def counts(found: ImportedFile) -> tuple[int, int, int]:
    return found.accepted, found.duplicates, found.rejected


def recorded(ledger: Ledger) -> int:
    return len(list_usage(ledger._opened, limit=1_000))


def test_a_log_is_recorded_and_drawn_on_the_grants_of_its_time(acme: Ledger) -> None:
    found = load(acme, row(request_id="a", project="search"), row(request_id="b"))

    assert counts(found) == (2, 0, 0)
    assert found.recorded
    assert buckets(acme, "g") == (970, 0, 30, 0)
    assert acme.verify().ok


def test_one_refused_line_keeps_all_of_them_out(acme: Ledger) -> None:
    found = load(acme, row(request_id="a"), row(input_tokens=1.0), row(provider="nobody"), "{")

    assert not found.recorded
    assert counts(found) == (1, 0, 3)
    assert [(one.line, one.code) for one in found.problems] == [
        (2, "invalid_value"), (3, "not_found"), (4, "invalid_value"),
    ]  # fmt: skip
    assert (recorded(acme), buckets(acme, "g")) == (0, (1_000, 0, 0, 0))


def test_with_a_file_for_refused_lines_the_others_are_recorded(
    acme: Ledger, tmp_path: Path
) -> None:
    path = tmp_path / "refused.jsonl"

    found = load(
        acme, row(request_id="a"), row(model="acme-x", tags={"k": "v"}), "{", rejects_to=path
    )

    assert found.recorded
    assert counts(found) == (1, 0, 2)
    first, second = map(json.loads, path.read_text().splitlines())
    assert first["reject_line"] == 2
    assert "'acme-x' of acme is not in the ledger" in first["reject_reason"]
    assert second["reject_text"] == "{"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_rejects_file_that_was_put_right_can_be_imported(acme: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "refused.jsonl"
    load(acme, row(request_id="a"), row(model="acme-x", request_id="b"), rejects_to=path)

    found = load(acme, path.read_text().replace('"acme-x", "input', '"acme-chat", "input'))

    assert counts(found) == (1, 0, 0)


def test_a_rejects_file_is_made_only_for_rejects_and_never_replaced(
    acme: Ledger, tmp_path: Path
) -> None:
    path = tmp_path / "refused.jsonl"
    load(acme, row(), rejects_to=path)
    assert not path.exists()
    path.write_text("mine")

    with pytest.raises(AlreadyExists):
        load(acme, "{", rejects_to=path)

    assert path.read_text() == "mine"


def test_the_same_log_again_adds_nothing(acme: Ledger) -> None:
    rows = [row(request_id="a"), row(), row(), row(input_tokens=11)]
    load(acme, *rows)

    assert counts(load(acme, *rows)) == (0, 4, 0)
    assert counts(load(acme, *reversed(rows))) == (0, 4, 0)
    spaced = [json.dumps(one, separators=(" , ", " : ")) for one in rows]
    assert counts(load(acme, *spaced)) == (0, 4, 0)
    assert recorded(acme) == 4


def test_an_overlapping_log_adds_what_is_new(acme: Ledger) -> None:
    first = [row(input_tokens=number) for number in (1, 2, 2, 3)]
    load(acme, *first)

    found = load(
        acme, row(input_tokens=2), row(input_tokens=2), row(input_tokens=2), row(input_tokens=4)
    )

    assert counts(found) == (2, 2, 0)


def test_equal_lines_without_ids_are_calls_of_their_own_and_with_ids_one(acme: Ledger) -> None:
    assert counts(load(acme, row(), row())) == (2, 0, 0)
    assert counts(load(acme, row(request_id="a"), row(request_id="a"))) == (1, 1, 0)


def test_one_request_id_for_two_calls_is_a_conflict(acme: Ledger) -> None:
    load(acme, row(request_id="a"))

    found = load(
        acme,
        row(request_id="a", output_tokens=6),
        row(request_id="b"),
        row(request_id="b", user="x"),
    )

    assert (found.rejected, found.conflicts, found.recorded) == (2, 2, False)
    assert "recorded before with output_tokens 5, not 6" in found.problems[0].message
    assert "request id 'b' is on line 2 too" in found.problems[1].message


def test_spellings_of_one_model_are_one_call(acme: Ledger) -> None:
    load(acme, row(model="acme-chat"))

    assert counts(load(acme, row(model="ACME-Chat"))) == (0, 1, 0)


def test_a_dry_run_tells_who_would_pay_and_changes_nothing(acme: Ledger) -> None:
    found = load(acme, row(input_tokens=600), row(input_tokens=600), dry_run=True)

    assert not found.recorded
    assert [(one.grant, one.tokens) for one in found.draws] == [("g", 1_000)]
    assert (found.accepted, found.overage_tokens) == (2, 210)
    assert [money.text() for money in found.cash] == ["0.00168"]
    assert buckets(acme, "g") == (1_000, 0, 0, 0)
    before = found
    assert counts(load(acme, row(input_tokens=600), row(input_tokens=600))) == (2, 0, 0)
    assert buckets(acme, "g")[2] == sum(one.amount for one in before.draws)


def test_what_nobody_knows_the_price_of_is_fine_while_credit_covers_it(
    acme: Ledger, tmp_path: Path
) -> None:
    rows = [
        row(model="acme-secret", input_tokens=795, output_tokens=0, request_id=f"r{n}")
        for n in range(2)
    ]

    found = load(acme, *rows)

    assert (found.recorded, found.problems[0].line, found.problems[0].code) == (
        False,
        2,
        "no_price",
    )
    path = tmp_path / "refused.jsonl"
    assert counts(load(acme, *rows, rejects_to=path)) == (1, 0, 1)
    assert json.loads(path.read_text())["request_id"] == "r1"
    assert buckets(acme, "g")[2] == 795


def test_an_account_nobody_has_heard_of_has_no_credit(acme: Ledger) -> None:
    assert counts(load(acme, row(account="second"), dry_run=True)) == (1, 0, 0)
    assert counts(load(acme, row(account="second"))) == (1, 0, 0)
    assert buckets(acme, "g") == (1_000, 0, 0, 0)


def test_a_line_without_a_time_is_dated_now_and_said_so(acme: Ledger) -> None:
    found = load(acme, row(at=None))

    assert (found.accepted, found.undated) == (1, 1)
    assert counts(load(acme, row(at=None))) == (0, 1, 0)


def test_a_call_of_the_future_is_refused(acme: Ledger) -> None:
    found = load(acme, row(at="2030-01-01T00:00:00Z"))

    assert "is in the future" in found.problems[0].message


def test_only_the_first_refused_lines_are_named(acme: Ledger) -> None:
    found = load(acme, *["x"] * 30, format="jsonl")

    assert (found.rejected, len(found.problems)) == (30, 20)


def test_an_import_that_is_stopped_is_finished_by_repeating_it(
    acme: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "CHUNK", 10)
    rows = [row(request_id=f"r{number}") for number in range(35)]

    def stop(doing: str, done: int, total: int) -> None:
        if doing == "recording" and done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(acme, *rows, progress=stop)

    assert recorded(acme) == 20
    assert counts(load(acme, *rows)) == (15, 20, 0)
    assert acme.verify().ok


def test_what_cannot_be_read_at_all_is_refused(acme: Ledger) -> None:
    for data in (b"", "provider".encode("utf-16"), b"hello"):
        with pytest.raises(InvalidValue):
            import_file(acme._opened, io.BytesIO(data))


@pytest.fixture
def two(sqlite_url: Callable[[], str]) -> tuple[str, str]:
    """The addresses of two ledgers with the same offers."""
    addresses = sqlite_url(), sqlite_url()
    for address in addresses:
        with tracker.open(address, clock=Clock()) as ledger:
            offer(ledger)
            grant(ledger, 500, "g", starts_at=START - timedelta(days=30))
    return addresses


def command(address: str, *arguments: str, code: int = 0, input: bytes | None = None) -> str:
    result = CliRunner().invoke(main.app, ["--db", address, "usage", *arguments], input=input)
    assert result.exit_code == code, result.output
    return result.stdout


def said(ledger: Ledger) -> list[str]:
    """Return what calls say that an export keeps."""
    return sorted(
        str((one.at, one.input_tokens, one.output_tokens, one.project, one.user, dict(one.tags)))
        for one in list_usage(ledger._opened, voided=False)
    )


@pytest.mark.parametrize("format", ["csv", "json"])
def test_an_export_is_known_where_it_came_from_and_the_same_elsewhere(
    two: tuple[str, str], tmp_path: Path, format: str
) -> None:
    here, there = two
    with tracker.open(here, clock=Clock()) as ledger:
        use(
            ledger,
            40,
            request_id="r",
            project="=1+1",
            user="👩\u200d💻",
            at=utc("2024-07-14T00:00:00.000001"),
        )
        use(ledger, 50, output_tokens=3, tags={"a b": "c=d e", "'": '"'})
        ledger.void_usage(use(ledger, 60).id)
        decision = ledger.route("chat", input_tokens=9, max_output_tokens=9)
        ledger.settle(decision.reservation_id or "", input_tokens=9, output_tokens=1)
        before = said(ledger)
    path = tmp_path / f"export.{format}"
    path.write_text(command(here, "list", "--format", format), "utf-8")

    again = json.loads(command(here, "import", str(path), "--json"))
    first = json.loads(command(there, "import", str(path), "--json"))
    second = json.loads(command(there, "import", str(path), "--json"))

    assert (again["accepted"], again["duplicates"], again["voided"]) == (0, 3, 1)
    assert (first["accepted"], first["duplicates"], first["voided"]) == (3, 0, 1)
    assert (second["accepted"], second["duplicates"], second["voided"]) == (0, 3, 1)
    with tracker.open(there, clock=Clock()) as ledger:
        assert said(ledger) == before
        assert ledger.verify().ok


def test_exit_codes_tell_refusals_from_conflicts(two: tuple[str, str], tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"

    def run(*rows: Any, code: int) -> None:
        path.write_text("".join(json.dumps(one) + "\n" for one in rows))
        command(two[0], "import", str(path), code=code)

    run(row(request_id="a"), code=0)
    run(row(request_id="a"), code=0)
    run(row(request_id="a", user="x"), code=5)
    run(row(request_id="a", user="x"), row(model="none"), code=1)
    command(two[0], "import", str(tmp_path / "missing"), code=1)
    command(two[0], "import", str(tmp_path), code=2)


def test_standard_input_is_a_log_too(two: tuple[str, str]) -> None:
    data = (json.dumps(row()) + "\n").encode()

    assert json.loads(command(two[0], "import", "-", "--json", input=data))["accepted"] == 1


labels = st.text(
    st.characters(categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=8
).filter(lambda text: text.strip() != "")


@settings(max_examples=60)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"input_tokens": st.integers(1, 99), "output_tokens": st.integers(0, 10**6)},
            optional={
                "project": labels, "user": labels, "cached_tokens": st.just(0),
                "tags": st.dictionaries(labels, labels, min_size=1, max_size=3),
                "request_id": labels,
            },
        ),
        min_size=1, max_size=12, unique_by=lambda one: one.get("request_id", id(one)),
    )
)  # fmt: skip
def test_json_and_csv_say_the_same(shared_ledger: Ledger, rows: list[dict[str, Any]]) -> None:
    from tracker.text import spreadsheet_safe

    offer(shared_ledger)
    complete = [row(**one) for one in rows]
    page = io.StringIO()
    names = sorted({name for one in complete for name in one})
    writer = csv.DictWriter(page, names)
    writer.writeheader()
    for one in complete:
        cells = {**one, "tags": json.dumps(one["tags"]) if "tags" in one else ""}
        cells = {key: spreadsheet_safe(str(cells[key])) for key in names if key in cells}
        writer.writerow(cells)
    opened = shared_ledger._opened

    from_json = load(shared_ledger, *complete, dry_run=True)
    from_csv = import_file(opened, io.BytesIO(page.getvalue().encode()), dry_run=True, format="csv")

    assert (from_json.problems, from_csv.problems) == ((), ())
    assert counts(from_json) == counts(from_csv) == (len(rows), 0, 0)
    assert from_json.overage_tokens == from_csv.overage_tokens
