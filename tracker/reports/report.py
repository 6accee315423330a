"""What a report is: records under named fields, with what is to be said about them."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field


class Kind(enum.Enum):
    """What the values of a field are. Every one of them may be None: unknown, or none."""

    TEXT = "text"  # str
    COUNT = "count"  # int
    MONEY = "money"  # Money
    AMOUNT = "amount"  # of a grant's unit: int, or Money
    SHARE = "share"  # int, in tenths of a percent
    INSTANT = "instant"  # aware datetime


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a report's records.

    title: its head where people read it; '' where only programs do.
    """

    key: str
    kind: Kind
    title: str = ""


Value = object
Record = tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What was asked for.

    records: sorted; values in the order of `fields`.
    totals: records too, one per currency or unit, with None where there is nothing to add up.
    about: what was asked: what was grouped by, which period, in which time zone.
    notes: what a reader must know to read the numbers right.
    """

    name: str
    fields: tuple[Field, ...]
    records: tuple[Record, ...]
    totals: tuple[Record, ...] = ()
    about: Mapping[str, object] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def schema(self) -> str:
        """The name and version of its JSON."""
        return f"tracker.report.{self.name}/1"
