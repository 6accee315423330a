from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import SMALL, invoke

READING = """
balance
balance --at 2024-07-28
balance --json
grants list
grants show tencent-july
providers list
providers show baidu
models list
prices list
rates list
usage list --provider tencent --since 2024-07-01 --until 2024-07-31 --project search
reservations list --open
reservations list --json
guard --min 1m
route -m chat -i 1200 -o 800 --explain --at 2024-07-15
verify
db status
db upgrade
"""


def test_every_command_works_on_postgresql(
    postgresql_url: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKER_DB", postgresql_url())
    nothing_there = invoke("balance")
    assert nothing_there.code == 4, nothing_there
    assert 'run "tracker init"' in nothing_there.err
    writing = (
        "init --catalogue none\n"
        + SMALL.replace("\\\n", "")
        + "usage log -p tencent -m hunyuan-pro -i 9 -o 3 --at 2024-07-15 --project search\n"
        "grants adjust baidu-ernie --remaining 49m --reason test\n"
        "reconcile -p baidu -g baidu-ernie --remaining 48m\n"
        "route -m chat -i 1200 -o 800 --hold\n"
    )

    for line in filter(None, (writing + READING).splitlines()):
        ran = invoke(*shlex.split(line))
        assert ran.code == 0, (line, ran)
        assert "Traceback" not in ran.err

    status = invoke("db", "status").out
    assert re.search(r"database +PostgreSQL \d+", status)
    id = invoke("reservations", "list", "--open", "--json").json["reservations"][0]["id"]
    assert invoke("settle", id, "--input", "1", "--output", "1").code == 0
    assert invoke("usage", "void", id).code == 0
    refused = invoke("db", "backup", str(tmp_path / "copy.db"))
    assert refused.code == 2
    assert "pg_dump" in refused.err
