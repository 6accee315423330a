"""The result of replaying a ledger."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verification:
    """What a replay of the journal found. `problems` names every difference, one line each."""

    ok: bool
    grants: int
    entries: int
    problems: tuple[str, ...] = ()
