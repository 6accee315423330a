"""Worked examples of burn-down, from the tests of other ledgers; the numbers follow our rule.

Where an engine decides otherwise, `elsewhere` says so, lest somebody who knows it be surprised.
"""

from __future__ import annotations

from dataclasses import dataclass, field

OPENMETER = "OpenMeter, credit engine tests"
OPENMETER_LIFE = "OpenMeter, grant and entitlement tests"
LAGO = "Lago, wallet tests"
FLEXPRICE = "Flexprice, wallet tests"
BEANCOUNT = "Beancount, booking tests"
LITELLM = "LiteLLM, issue on buffered spend"


@dataclass(frozen=True)
class G:
    """A grant of tokens. ends: exclusive; None means never."""

    id: str
    amount: int
    starts: str
    ends: str | None
    priority: int = 1


@dataclass(frozen=True)
class Step:
    """A call of `tokens`, or the voiding of a grant, and what is true afterwards.

    overage: what nothing paid of this call. left: per grant, amount - spent, whatever its state.
    usable: what a call could draw on at that instant; a grant not named has nothing usable.
    """

    at: str
    tokens: int = 0
    void: str | None = None
    overage: int = 0
    left: dict[str, int] = field(default_factory=dict)
    usable: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """Grants of one account and what happens to them, in order of arrival."""

    fact: str
    source: str
    grants: tuple[G, ...]
    steps: tuple[Step, ...]
    elsewhere: str | None = None


CASES = (
    Case(
        "credit that has yet to start pays nothing",
        OPENMETER,
        (G("later", 100, "2024-01-11", "2024-02-10"),),
        (Step("2024-01-01T01:00:00", 50, overage=50, left={"later": 100}),),
    ),
    Case(
        "credit voided in the instant it starts never pays",
        OPENMETER,
        (G("gone", 100, "2024-01-01", "2024-01-31"),),
        (
            Step("2024-01-01", void="gone", left={"gone": 100}),
            Step("2024-01-01T01:00:00", 50, overage=50, left={"gone": 100}),
        ),
    ),
    Case(
        "voided credit pays up to the void and not from then on",
        OPENMETER,
        (G("half", 100, "2024-01-01", "2024-01-31"),),
        (
            Step("2024-01-01T00:59:00", 50, left={"half": 50}, usable={"half": 50}),
            Step("2024-01-01T01:00:00", void="half", left={"half": 50}),
            Step("2024-01-01T01:01:00", 50, overage=50, left={"half": 50}),
        ),
    ),
    Case(
        "the instant a grant ends lies outside it",
        OPENMETER_LIFE,
        (G("hour", 100, "2024-01-01", "2024-01-01T01:00:00"),),
        (
            Step("2024-01-01T00:59:59", 10, left={"hour": 90}, usable={"hour": 90}),
            Step("2024-01-01T01:00:00", 10, overage=10, left={"hour": 90}),
        ),
    ),
    Case(
        "voiding what has ended already changes no number",
        OPENMETER_LIFE,
        (G("ended", 100, "2024-01-01", "2024-01-01T01:00:00"),),
        (
            Step("2024-01-01T00:59:00", 40, left={"ended": 60}, usable={"ended": 60}),
            Step("2024-01-01T01:00:00", 5, overage=5, left={"ended": 60}),
            Step("2024-01-01T01:01:00", void="ended", left={"ended": 60}),
        ),
    ),
    Case(
        "the lower priority number pays first, in whatever order grants were recorded",
        OPENMETER,
        (
            G("second", 100, "2024-01-01", "2024-01-31", priority=2),
            G("first", 100, "2024-01-01", "2024-01-31", priority=1),
        ),
        (
            Step(
                "2024-01-01T01:00:00",
                120,
                left={"first": 0, "second": 80},
                usable={"second": 80},
            ),
        ),
    ),
    Case(
        "of equal priority the grant that ends sooner pays first",
        OPENMETER,
        (
            G("long", 100, "2024-01-01", "2124-01-01"),
            G("short", 100, "2024-01-01", "2024-01-31"),
        ),
        (Step("2024-01-01T01:00:00", 120, left={"short": 0, "long": 80}, usable={"long": 80}),),
    ),
    Case(
        "a call before the first grant stays unpaid when grants come",
        OPENMETER,
        (
            G("early", 100, "2024-01-06", "2024-03-06", priority=3),
            G("late", 100, "2024-01-21", "2024-03-21", priority=1),
        ),
        (
            Step("2024-01-01T01:00:00", 50, overage=50, left={"early": 100, "late": 100}),
            Step("2024-01-06T01:00:00", 30, left={"early": 70, "late": 100}, usable={"early": 70}),
            Step(
                "2024-01-21T01:00:00",
                30,
                left={"early": 70, "late": 70},
                usable={"early": 70, "late": 70},
            ),
            Step(
                "2024-01-26T01:00:00",
                20,
                left={"early": 70, "late": 50},
                usable={"early": 70, "late": 50},
            ),
        ),
        elsewhere="OpenMeter charges the unpaid 50 to the next grant: early ends at 20",
    ),
    Case(
        "a new grant does not repay what ran over before it",
        OPENMETER_LIFE,
        (
            G("small", 500, "2024-08-22T11:25:00", "2024-09-22T11:25:00"),
            G("big", 8_000, "2024-08-22T12:31:00", "2024-09-22T12:31:00"),
        ),
        (
            Step("2024-08-22T11:45:00", 500, left={"small": 0, "big": 8_000}),
            Step("2024-08-22T12:05:00", 500, overage=500, left={"small": 0, "big": 8_000}),
            Step(
                "2024-08-22T12:35:18", 1_000, left={"small": 0, "big": 7_000}, usable={"big": 7_000}
            ),
        ),
        elsewhere="OpenMeter charges the 500 to the new grant: big ends at 6,500",
    ),
    Case(
        "once the first in line is voided the next one pays",
        OPENMETER_LIFE,
        (
            G("century", 500, "2024-07-09T11:20:00", "2124-07-09T11:20:00"),
            G("week", 10_000, "2024-07-09T12:09:00", "2024-07-16T12:09:00"),
        ),
        (
            Step(
                "2024-07-09T13:09:00",
                10,
                left={"century": 500, "week": 9_990},
                usable={"century": 500, "week": 9_990},
            ),
            Step(
                "2024-07-09T14:54:04",
                void="week",
                left={"century": 500, "week": 9_990},
                usable={"century": 500},
            ),
            Step(
                "2024-07-09T15:09:04",
                12,
                left={"century": 488, "week": 9_990},
                usable={"century": 488},
            ),
        ),
    ),
    Case(
        "nothing is usable in the very instant of the end, though all is left",
        OPENMETER_LIFE,
        (G("march", 1_000, "2024-03-01T02:00:00", "2024-03-04"),),
        (
            Step("2024-03-03T23:59:59", 0, left={"march": 1_000}, usable={"march": 1_000}),
            Step("2024-03-04", 0, left={"march": 1_000}),
            Step("2024-03-04", 1, overage=1, left={"march": 1_000}),
        ),
    ),
    Case(
        "voiding takes only what was left of a grant partly used",
        OPENMETER_LIFE,
        (G("endless", 100, "2026-03-01", None),),
        (
            Step("2026-03-01T12:00:00", 40, left={"endless": 60}, usable={"endless": 60}),
            Step("2026-03-02", void="endless", left={"endless": 60}),
            Step("2026-03-02T00:00:01", 5, overage=5, left={"endless": 60}),
        ),
    ),
    Case(
        "nothing more happens at the end of a grant that was voided before it",
        OPENMETER_LIFE,
        (
            G("voided", 100, "2026-03-01", "2026-03-31", priority=1),
            G("other", 50, "2026-03-01", None, priority=2),
        ),
        (
            Step(
                "2026-03-02", void="voided", left={"voided": 100, "other": 50}, usable={"other": 50}
            ),
            Step("2026-03-10", 20, left={"voided": 100, "other": 30}, usable={"other": 30}),
            Step("2026-03-31", 10, left={"voided": 100, "other": 20}, usable={"other": 20}),
        ),
    ),
    Case(
        "an hour that starts at half a minute past is that hour, not the clock's",
        OPENMETER_LIFE,
        (G("hour", 100, "2024-03-01T09:00:30", "2024-03-01T10:00:30"),),
        (
            Step("2024-03-01T09:00:10", 1, overage=1, left={"hour": 100}),
            Step("2024-03-01T09:00:30", 2, left={"hour": 98}, usable={"hour": 98}),
            Step("2024-03-01T10:00:15", 4, left={"hour": 94}, usable={"hour": 94}),
            Step("2024-03-01T10:00:30", 8, overage=8, left={"hour": 94}),
        ),
        elsewhere="OpenMeter cuts to the minute: it pays the first call and not the third",
    ),
    Case(
        "priority counts for more than age",
        LAGO,
        (
            G("old", 5_000, "2024-01-01", None, priority=20),
            G("new", 5_000, "2024-01-02", None, priority=10),
        ),
        (Step("2024-01-03", 6_000, left={"new": 0, "old": 4_000}, usable={"old": 4_000}),),
    ),
    Case(
        "one call may use up one grant and go on with the next",
        LAGO,
        (
            G("older", 3_000, "2022-12-01", None, priority=50),
            G("newer", 5_000, "2022-12-01T01:00:00", None, priority=50),
        ),
        (
            Step(
                "2022-12-06",
                6_000,
                left={"older": 0, "newer": 2_000},
                usable={"newer": 2_000},
            ),
        ),
    ),
    Case(
        "a call of no tokens moves nothing",
        LAGO,
        (G("whole", 10_000, "2024-01-01", None, priority=50),),
        (Step("2024-01-02", 0, left={"whole": 10_000}, usable={"whole": 10_000}),),
    ),
    Case(
        "what never ends pays last, even if it was there first",
        FLEXPRICE,
        (
            G("endless", 50, "2024-01-01", None),
            G("january", 30, "2024-01-01T00:00:01", "2036-01-01"),
            G("february", 20, "2024-01-01T00:00:02", "2036-02-01"),
            G("march", 100, "2024-01-01T00:00:03", "2036-03-01"),
        ),
        (
            Step(
                "2024-02-01",
                70,
                left={"january": 0, "february": 0, "march": 80, "endless": 50},
                usable={"march": 80, "endless": 50},
            ),
        ),
    ),
    Case(
        "of endless grants the oldest pays first, down into the third",
        BEANCOUNT,
        (
            G("older", 5, "2015-10-02", None),
            G("oldest", 4, "2015-10-01", None),
            G("old", 6, "2015-10-03", None),
        ),
        (Step("2016-02-22", 12, left={"oldest": 0, "older": 0, "old": 3}, usable={"old": 3}),),
    ),
    Case(
        "a call belongs to the window of its own time, whenever it is recorded",
        LITELLM,
        (
            G("may", 1_000, "2024-05-01", "2024-06-01"),
            G("june", 1_000, "2024-06-01", "2024-07-01"),
        ),
        (
            Step("2024-06-01T00:00:05", 10, left={"may": 1_000, "june": 990}, usable={"june": 990}),
            Step("2024-05-31T23:59:58", 300, left={"may": 700, "june": 990}, usable={"may": 700}),
            Step("2024-06-01", 1, left={"may": 700, "june": 989}, usable={"june": 989}),
        ),
    ),
    Case(
        "calls in one instant are paid as they arrive, each with an overage of its own",
        "our own rule",
        (G("ten", 10, "2024-01-01", "2024-02-01"),),
        (
            Step("2024-01-05", 7, left={"ten": 3}, usable={"ten": 3}),
            Step("2024-01-05", 7, overage=4, left={"ten": 0}),
            Step("2024-01-05", 7, overage=7, left={"ten": 0}),
        ),
    ),
)
