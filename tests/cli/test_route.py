from __future__ import annotations

import re

import pytest

from tests.cli.conftest import Run
from tracker.text import width

ASK = ("route", "--model", "chat", "--input", "1200", "--max-output", "800")

EXPLAINED = """\
Use tencent/hunyuan-standard. It is free: grant tencent-july pays for all 2,000
tokens and has 100m left, until 2024-07-31 (16 days). Without credit it would
cost 0.0094 CNY. 1 other offer would be free too; this one uses up the credit
that is worth least.

ALSO FREE
  baidu/ERNIE-3.5-8K  burns credit worth 0.024 CNY, against 0.0094

WOULD COST
  deepseek/deepseek-chat  0.0028 CNY  starts 2024-07-20

CANNOT SERVE
  deepseek/deepseek-coder  no price is known, and credit covers 0 of 2,000
                           tokens
  openai/gpt-4o-mini       blocked in CN since 2024-07-09
"""

PAID = """\
Use deepseek/deepseek-chat. It costs 0.0028 CNY at list price: no free credit
covers this request. The next best costs 0.0094 CNY.

WOULD COST
  tencent/hunyuan-standard  0.0094 CNY  no grant

CANNOT SERVE
  2 offers: excluded by the request
    baidu/ERNIE-3.5-8K, openai/gpt-4o-mini
  deepseek/deepseek-coder  no price is known, and credit covers 0 of 2,000
                           tokens
"""


def test_an_explanation_names_the_choice_who_pays_and_why_not_the_others(run: Run) -> None:
    assert run(*ASK, "--explain", "--at", "2024-07-15").out == EXPLAINED


def test_an_explanation_says_what_it_costs_where_no_credit_is_left(run: Run) -> None:
    for grant in ("tencent-july", "deepseek-10"):
        run("grants", "void", grant, "--at", "2024-07-21")
    refused = ("--exclude", "baidu", "--exclude", "openai", "--at", "2024-07-22")

    found = re.sub(r"voided \S+", "no grant", run(*ASK, "--explain", *refused).out)

    assert found == PAID


def test_an_explanation_fits_eighty_columns(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for at in ("2024-07-05", "2024-07-15", "2024-08-15"):
        out = run(*ASK, "--explain", "--at", at).out
        assert max(map(width, out.splitlines())) <= 80


def test_many_offers_with_one_reason_stand_together(run: Run) -> None:
    for number in range(9):
        run("models", "add", "deepseek", f"chat-{number}", "--group", "chat")

    out = run(*ASK, "--explain", "--at", "2024-07-15").out

    assert "  10 offers: no price is known" in out
    assert "deepseek/chat-0, deepseek/chat-1, deepseek/chat-2, deepseek/chat-3,\n" in out
    assert "deepseek/chat-4, and 5 more\n" in out


def test_without_explain_the_answer_is_one_line(run: Run) -> None:
    assert run(*ASK, "--at", "2024-07-15").out == (
        "tencent/hunyuan-standard: free, tencent-july pays for 2,000 tokens (list price\n"
        "0.0094 CNY)\n"
    )


def test_the_json_of_a_decision(run: Run) -> None:
    found = run(*ASK, "--explain", "--json", "--at", "2024-07-15").json

    assert found["schema"] == "tracker.decision/1"
    assert found["reservation_id"] is None
    assert (found["provider"], found["model"]) == ("tencent", "hunyuan-standard")
    assert found["free"] is True
    assert (found["covered_tokens"], found["overage_tokens"]) == (2000, 0)
    assert found["grants"][0]["id"] == "tencent-july"
    assert found["expected_cash"] == {"amount": "0", "currency": "CNY"}
    assert found["expected_list"] == {"amount": "0.0094", "currency": "CNY"}
    assert [one["model"] for one in found["alternatives"]] == ["ERNIE-3.5-8K", "deepseek-chat"]
    assert len(found["passed_over"]) == 4


def test_a_hold_is_settled_and_what_it_did_not_use_goes_back(run: Run) -> None:
    held = run(*ASK, "--hold", "--at", "2024-07-15", "--provider", "tencent")
    match = re.search(r"^reservation (\w{13}), held until 2024-07-14 16:10:00 UTC$", held.out, re.M)
    assert match, held
    assert f"tracker settle {match[1]}" in held.err

    counts = ("--input", "1200", "--output", "300", "--cached", "200")
    settled = run("settle", match[1], *counts, "--at", "2024-07-14T16:00:09Z")

    assert settled.code == 0, settled
    assert f"usage {match[1]}: tencent/hunyuan-standard, 1,500 tokens" in settled.out
    assert "1,500 paid by tencent-july, no cash, saved 0.0069 CNY" in settled.out
    grants = run("balance", "--at", "2024-07-16", "--json").json["grants"]
    assert grants[0]["available"] == 100_000_000 - 1500
    assert run("settle", match[1], "--input", "1", "--output", "1").code == 5


def test_a_hold_is_released(run: Run) -> None:
    id = run(*ASK, "--hold", "--json").json["reservation_id"]
    opened = run("reservations", "list", "--open", "--json").json["reservations"]
    assert [one["id"] for one in opened] == [id]

    assert run("release", id).code == 0

    assert run("release", id).code == 0
    assert run("settle", id, "--input", "1", "--output", "1").code == 1
    assert run("reservations", "list", "--open", "--json").json["reservations"] == []
    assert run("reservations", "list").out.splitlines()[1].split()[:2] == [id, "released"]


def test_repeating_a_request_id_gives_the_first_answer(run: Run) -> None:
    again = (*ASK, "--hold", "--request-id", "job-7", "--json")
    first = run(*again)

    assert run(*again).json == first.json
    conflict = run(*again, "--project", "other")
    assert conflict.code == 5
    assert "project" in conflict.err


def test_a_refusal_says_so_in_a_line_and_exits_3(run: Run) -> None:
    refused = run(*ASK, "--free-only", "--provider", "deepseek", "--at", "2024-07-15")

    assert (refused.code, refused.out) == (3, "")
    assert refused.err.startswith("error: no offer of 'chat' serves 2,000 tokens")
    assert refused.err.count("\n") == 1


def test_a_refusal_gives_its_reasons_to_programs_and_to_people_who_ask(run: Run) -> None:
    refused = (*ASK, "--free-only", "--provider", "deepseek", "--at", "2024-07-15")

    document = run(*refused, "--json").json
    explained = run(*refused, "--explain")

    assert document["schema"] == "tracker.refusal/1"
    assert document["code"] == "no_offer"
    assert {"provider", "account", "model", "reason"} == set(document["passed_over"][0])
    assert "deepseek/deepseek-chat" in explained.out
    assert explained.code == 3


def test_a_limit_on_cash_is_kept(run: Run) -> None:
    limited = (*ASK, "--provider", "deepseek", "--at", "2024-07-15")

    assert run(*limited, "--max-cash", "0.0028").code == 0
    assert run(*limited, "--max-cash", "0.0027").code == 3


@pytest.mark.parametrize(
    "bad",
    [
        ("--input", "-1"), ("--input", "1e3"), ("--input", "٧"), ("--input", "1.5"),
        ("--ttl", "0s"), ("--ttl", "31d"), ("--policy", "nope"), ("--max-cash", "NaN"),
        ("--at", "2024-07-15T00:00:00"), ("--at", "2024-13-01"), ("--provider", "x y"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_used_is_wrong_use(run: Run, bad: tuple[str, str]) -> None:
    refused = run(*ASK, "--hold", *bad)

    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith("error: ")
    assert run("reservations", "list", "--json").json["reservations"] == []
