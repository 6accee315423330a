"""A ledger of July 2024 in small, built by the commands themselves, and a way to run them."""

from __future__ import annotations

import contextlib
import io
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer

from tracker.cli import main


class Ran(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        import json

        return json.loads(self.out)


Run = Callable[..., Ran]

SMALL = r"""
providers add tencent --name "Tencent 腾讯 (Hunyuan)"
providers add baidu --name "Baidu 百度 (ERNIE)"
providers add deepseek --name "DeepSeek 深度求索"
providers add openai --name OpenAI --currency USD --timezone America/New_York
models add tencent hunyuan-standard --group chat --context-window 32000
models add tencent hunyuan-pro --group chat-large --context-window 32000
models add baidu ERNIE-3.5-8K --group chat --context-window 8192 --alias completions
models add deepseek deepseek-chat --group chat --context-window 32768
models add deepseek deepseek-coder --group chat
models add openai gpt-4o-mini -g chat --available-until 2024-07-08 --availability "blocked in CN"
prices set tencent hunyuan-standard --input 4.5 --output 5 --from 2024-05-22
prices set tencent hunyuan-pro --input 30 --output 100 --from 2024-05-22
prices set baidu ernie-3.5-8k --input 12 --output 12 --from 2024-01-01
prices set baidu ernie-3.5-8k --input 0.8 --output 2 --from 2024-10-01 --source "price page"
prices set deepseek deepseek-chat --input 1 --output 2 --from 2024-05-06
rates set USD CNY 7.26 --from 2024-01-01
grants add -p tencent --amount 100m --starts 2024-07-01 --expires 2024-07-31 --id tencent-july
grants add -p baidu --amount 50m --models ernie-3.5* --starts 2024-06-25 --id baidu-ernie \
  --expires unknown
grants add -p deepseek --amount 10 --unit CNY --starts 2024-07-20 --id deepseek-10 --expires never
"""


def invoke(*args: str, tty: bool = False) -> Ran:
    """Run a command line in this process."""
    out = Stream(tty)
    err = Stream(tty)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            typer.main.get_command(main.app).main(args=list(args), prog_name="tracker")
        except SystemExit as ended:
            code = ended.code
    assert isinstance(code, int), code
    return Ran(code, out.text(), err.text())


class Stream(io.TextIOWrapper):
    """Standard output: bytes in UTF-8, and perhaps a terminal."""

    def __init__(self, tty: bool) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", newline="")
        self._tty = tty

    def isatty(self) -> bool:
        return self._tty

    def text(self) -> str:
        self.flush()
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue().decode()


@pytest.fixture(autouse=True)
def quiet_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("TRACKER_DB", "TRACKER_DEBUG", "NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture(scope="session")
def small_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("small") / "ledger.db"
    for line in SMALL.replace("\\\n", "").strip().splitlines():
        ran = invoke("--db", str(path), *shlex.split(line))
        assert ran.code == 0, (line, ran)
    return path


@pytest.fixture(scope="session")
def full_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("full") / "ledger.db"
    ran = invoke("--db", str(path), "init")
    assert ran.code == 0, ran
    return path


@pytest.fixture
def ledger_path(small_ledger: Path, tmp_path: Path) -> Path:
    """A copy of the small ledger, to write to."""
    path = tmp_path / "ledger.db"
    shutil.copy(small_ledger, path)
    path.chmod(0o600)
    return path


@pytest.fixture
def run(ledger_path: Path) -> Run:
    """Run a command on the small ledger; its first words may be one text."""

    def go(line: str, *args: str, tty: bool = False) -> Ran:
        return invoke("--db", str(ledger_path), *shlex.split(line), *args, tty=tty)

    return go
