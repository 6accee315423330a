"""Processes that use a ledger while something goes wrong, and what tests ask of them.

They start from a clean server process that has tracker loaded, so that a killed one is back in a
few milliseconds. What they are to do are functions; what they did is in files, as they may be
killed at any instant.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import random
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import tracker
from tests.builders import MODEL, PROVIDER, grant, held, offer, reserve
from tracker.ledger import Ledger

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["tests.faults.actors", "tracker.bootstrap", "psycopg"])

WAIT_S = 60.0  # for an actor that has ended or is about to: longer means that it hangs


def prepare(url: str | Path, amount: int = 10**9, **fields: Any) -> None:
    """Make a ledger with one offer and one grant `g`."""
    with tracker.open(url) as ledger:
        offer(ledger)
        grant(ledger, amount, "g", **fields)


def sound(url: str | Path) -> Ledger:
    """Open a ledger, check every invariant, and return it."""
    ledger = tracker.open(url)
    verification = ledger.verify()
    assert verification.ok, verification.problems
    for one in ledger.balance().grants:
        assert one.held + one.spent <= one.amount, one
    return ledger


def together(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Call `work` with 0, 1, ... in as many threads, all let go at the same instant."""
    barrier = threading.Barrier(count)

    def run(number: int) -> Any:
        barrier.wait(WAIT_S)
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def start(work: Callable[..., Any], *args: Any) -> Any:
    """Start a process that calls `work(*args)`."""
    process = processes.Process(target=work, args=args, daemon=True)
    process.start()
    return process


def crowd(count: int, work: Callable[..., Any], *args: Any) -> list[Any]:
    """Call `work(number, *args)` in as many processes at once; return what each returned."""
    barrier = processes.Barrier(count)
    pipes, members = [], []
    for number in range(count):
        ours, theirs = processes.Pipe(duplex=False)
        members.append(start(_member, theirs, barrier, work, number, args))
        theirs.close()
        pipes.append(ours)
    answers = []
    try:
        for number, pipe in enumerate(pipes):
            assert pipe.poll(WAIT_S), f"process {number} hangs"
            fine, answer = pipe.recv()
            assert fine, answer
            answers.append(answer)
        return answers
    finally:
        for member in members:
            member.join(5)
            member.kill()


def _member(
    pipe: Any, barrier: Any, work: Callable[..., Any], number: int, args: Sequence[Any]
) -> None:
    try:
        barrier.wait(WAIT_S)
        pipe.send((True, work(number, *args)))
    except BaseException:
        pipe.send((False, traceback.format_exc()))


def kill(process: Any) -> None:
    """SIGKILL a process, and wait until it is gone."""
    process.kill()
    process.join(WAIT_S)
    assert process.exitcode is not None


@contextlib.contextmanager
def running(work: Callable[..., Any], *args: Any) -> Iterator[Any]:
    """Keep a process going for a block, then kill it."""
    process = start(work, *args)
    try:
        yield process
    finally:
        if process.is_alive():
            os.kill(process.pid, signal.SIGCONT)
            kill(process)


def until(met: Callable[[], Any], what: str) -> Any:
    """Wait until something is so, and return what it is."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        answer = met()
        if answer:
            return answer
        time.sleep(0.005)
    raise AssertionError(f"waited {WAIT_S:.0f} s for {what}")


# What members of a crowd do.


def take_until_refused(number: int, url: str, tokens: int) -> int:
    """Reserve until there is nothing left; return how often it was granted."""
    granted = 0
    with tracker.open(url) as ledger:
        while True:
            try:
                reserve(ledger, tokens, free_only=True)
            except tracker.NoOffer:
                return granted
            granted += 1


def ask_the_same(number: int, url: str, request_id: str) -> list[tuple[Any, ...]]:
    """Send one request ten times at once; return the answers."""
    with tracker.open(url) as ledger:
        decisions = together(10, lambda _: reserve(ledger, 7, request_id=request_id))
    return [(one.reservation_id, one.at, one.model, one.grants) for one in decisions]


def write_for(number: int, url: str, seconds: float) -> tuple[int, float]:
    """Reserve as fast as it goes; return how often, and the longest wait in seconds."""
    count, longest = 0, 0.0
    with tracker.open(url) as ledger:
        reserve(ledger, 1)
        began = before = time.monotonic()
        while before - began < seconds:
            reserve(ledger, 1)
            after = time.monotonic()
            longest, before, count = max(longest, after - before), after, count + 1
    return count, longest


def open_for_the_first_time(number: int, url: str) -> bool:
    """Open a ledger that may not be there yet, and write to it."""
    with tracker.open(url) as ledger:
        ledger.add_provider(f"p{number}")
        return ledger.verify().ok


def write_once(number: int, url: str) -> str:
    """Reserve one token; return how that went."""
    try:
        with tracker.open(url) as ledger:
            reserve(ledger, 1)
    except tracker.TrackerError as error:
        return f"{error.code}: {error}"
    return "done"


# What single actors do.


class Diary:
    """What an actor asked for and was told, line by line, in a file that outlives it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[dict[str, Any]] = []
        if path.exists():
            self.lines = [json.loads(line) for line in path.read_text().splitlines()]
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def note(self, **line: Any) -> None:
        os.write(self._file, (json.dumps(line) + "\n").encode())
        self.lines.append(line)

    def close(self) -> None:
        os.close(self._file)

    @property
    def asked(self) -> list[dict[str, Any]]:
        return [line for line in self.lines if "do" in line]

    @property
    def told(self) -> dict[int, Any]:
        return {line["n"]: line["got"] for line in self.lines if "got" in line}


class Router:
    """A router that reserves, settles and releases at random and keeps a diary.

    When it is back after a crash it first repeats the request it has no answer to.
    """

    def __init__(self, url: str, diary: Diary) -> None:
        self.ledger = tracker.open(url)
        self.diary = diary
        self.name = diary.path.name
        self.random = random.Random(f"{self.name} {len(diary.lines)}")
        self.open: dict[str, int] = {}
        told = diary.told
        self.asked = len(told)
        for ask in diary.asked:
            if ask["n"] in told:
                self._learn(ask, told[ask["n"]])
        if diary.lines and "do" in diary.lines[-1]:
            self.answer(diary.lines[-1])

    def step(self) -> None:
        ask = self.ask()
        self.diary.note(**ask)
        self.answer(ask)

    def answer(self, ask: dict[str, Any]) -> None:
        self.learn(ask, self.send(ask))

    def ask(self) -> dict[str, Any]:
        n = self.asked
        chance = self.random.random()
        if chance < 0.1:
            return {"n": n, "do": "log", "tokens": self.random.randint(1, 50)}
        if chance < 0.5 or not self.open:
            return {"n": n, "do": "reserve", "tokens": self.random.randint(1, 50)}
        reservation = self.random.choice(sorted(self.open))
        if chance < 0.8:
            used = self.random.randint(0, 60)
            return {"n": n, "do": "settle", "reservation": reservation, "tokens": used}
        return {"n": n, "do": "release", "reservation": reservation}

    def send(self, ask: dict[str, Any]) -> Any:
        request_id = f"{self.name}-{ask['n']}"
        match ask["do"]:
            case "reserve":
                return reserve(self.ledger, ask["tokens"], request_id=request_id).reservation_id
            case "settle":
                return self.ledger.settle(
                    ask["reservation"], input_tokens=ask["tokens"], output_tokens=0
                ).id
            case "release":
                return self.ledger.release(ask["reservation"]).id
            case _:
                return self.ledger.log_usage(
                    PROVIDER,
                    MODEL,
                    input_tokens=ask["tokens"],
                    output_tokens=0,
                    request_id=request_id,
                ).id

    def learn(self, ask: dict[str, Any], got: Any) -> None:
        self.asked = ask["n"] + 1
        self.diary.note(n=ask["n"], got=got)
        self._learn(ask, got)

    def _learn(self, ask: dict[str, Any], got: Any) -> None:
        if ask["do"] == "reserve":
            self.open[got] = ask["tokens"]
        elif ask["do"] in ("settle", "release"):
            del self.open[ask["reservation"]]


def route_until_killed(url: str, diary: str) -> None:
    """Be a router; an error other than being killed goes into the diary."""
    book = Diary(Path(diary))
    try:
        router = Router(url, book)
        while True:
            router.step()
    except BaseException:
        book.note(error=traceback.format_exc())
        raise


def reserve_and_stop(url: str, report: str, ttl_s: int) -> None:
    """Reserve, report the reservation, and never settle it."""
    with tracker.open(url) as ledger:
        report_to(report, str(reserve(ledger, 100, ttl_s=ttl_s).reservation_id))
        time.sleep(WAIT_S)


def usage_rows(count: int) -> Iterator[dict[str, Any]]:
    """Yield a log of usage: the same each time."""
    for number in range(count):
        yield {
            "provider": PROVIDER,
            "model": MODEL,
            "input_tokens": 1 + number % 7,
            "output_tokens": number % 3,
            "request_id": f"row-{number}",
        }


def import_rows(url: str, count: int) -> None:
    """Import a log of usage."""
    with tracker.open(url) as ledger:
        ledger.log_many(usage_rows(count))


def just_open(url: str) -> None:
    """Open a ledger and close it again."""
    tracker.open(url).close()


def stop_in_its_turn(url: str, report: str) -> None:
    """Begin to write, and never finish."""
    ledger = tracker.open(url)

    def work(*_: object) -> None:
        report_to(report, "mine")
        time.sleep(WAIT_S)

    ledger._opened.write(work)


def write_through_interrupts(url: str, diary: str) -> None:
    """Be a router whom Ctrl-C strikes in most requests, in some twice; on SIGTERM stand still.

    A request that was cut short is repeated, as after a crash.
    """
    calm = threading.Event()
    strikes_left, struck = 0, 0

    def strike(*_: object) -> None:
        nonlocal strikes_left, struck
        if strikes_left:
            strikes_left -= 1
            struck += 1
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, strike)
    signal.signal(signal.SIGTERM, lambda *_: calm.set())
    book = Diary(Path(diary))
    try:
        router = Router(url, book)
        while not calm.is_set():
            ask = router.ask()
            book.note(**ask)
            got = None
            while got is None:
                try:
                    try:
                        strikes_left = 1 + ask["n"] % 2
                        got = router.send(ask)
                        strikes_left = 0
                    except KeyboardInterrupt:
                        strikes_left = 0
                except KeyboardInterrupt:
                    strikes_left = 0
            router.learn(ask, got)
    except BaseException:
        book.note(error=traceback.format_exc())
        raise
    book.note(struck=struck)
    time.sleep(WAIT_S)


def as_nobody(report: str, work: Callable[..., str], *args: Any) -> None:
    """Call `work` as a user who owns nothing, and report what it returns."""
    file = os.open(report, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    try:
        answer = work(*args)
    except BaseException:
        answer = traceback.format_exc()
    os.write(file, answer.encode())


def use_and_say(url: str) -> str:
    """Open a ledger, read it, write to it; return how each step went."""
    said = []
    try:
        with tracker.open(url) as ledger:
            said.append(f"read {len(ledger.balance().grants)}")
            reserve(ledger, 1)
            said.append("wrote")
    except tracker.TrackerError as error:
        said.append(f"{error.code}: {error}")
    return "; ".join(said)


def environment() -> dict[str, str]:
    """Return what a command needs to find this tracker."""
    found = (str(Path(tracker.__file__).parent.parent), os.environ.get("PYTHONPATH"))
    return {**os.environ, "PYTHONPATH": os.pathsep.join(one for one in found if one)}


def report_to(path: str, text: str) -> None:
    """Write a file all at once."""
    draft = Path(f"{path}.draft")
    draft.write_text(text)
    draft.rename(path)


def report_of(path: Path) -> str:
    """Wait for a report and return it."""
    until(path.exists, f"the report {path.name}")
    return path.read_text()


def spent(ledger: Ledger) -> int:
    """Return what was drawn on the grant `g`."""
    return held(ledger, "g").spent


def show(text: str) -> None:
    """Print a measurement past pytest's capture of a passing test: it is in the output of -s."""
    print(text, file=sys.stderr)
