"""A ledger in plain Python, written from the rules alone: what every real one must agree with.

It keeps grants, reservations and calls in lists, adds them up anew whenever it is asked, and ends a
reservation the moment its time is over. Instants are microseconds; every grant is in tokens.
"""

from __future__ import annotations

from dataclasses import dataclass, field

FOREVER = 2**63 - 1


class Refused(Exception):
    """The ledger must refuse this. `error` is the name of the class of the refusal."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


@dataclass
class ModelGrant:
    id: str
    amount: int
    starts: int
    ends: int
    priority: int
    model: str | None  # the one model it covers; None: all of them
    voided: int | None = None
    spent: int = 0
    written_off: int = 0

    def active(self, at: int) -> bool:
        voided = FOREVER if self.voided is None else self.voided
        return self.starts <= at < min(self.ends, voided)

    def order(self) -> tuple[int, int, bool, int, str]:
        return (self.priority, self.ends, self.model is None, self.starts, self.id)


@dataclass
class ModelReservation:
    model: str
    at: int
    ends: int
    tokens: int
    holds: dict[str, int]
    state: str = "held"
    used: int | None = None


@dataclass
class ModelCall:
    model: str
    at: int
    tokens: int
    draws: dict[str, int]
    overage: int
    voided: bool = False


@dataclass(frozen=True)
class Holding:
    """What a grant has, in its buckets."""

    amount: int
    available: int
    held: int
    spent: int
    written_off: int


@dataclass
class Model:
    """All there is. `now` moves forwards only."""

    now: int
    grants: dict[str, ModelGrant] = field(default_factory=dict)
    reservations: list[ModelReservation] = field(default_factory=list)
    calls: list[ModelCall] = field(default_factory=list)
    history: dict[int, dict[str, Holding]] = field(default_factory=dict)

    # What is asked of it

    def held(self, id: str) -> int:
        return sum(r.holds.get(id, 0) for r in self.reservations if r.state == "held")

    def unspoken(self, id: str) -> int:
        """What is neither spent, held nor written off, whether or not the grant is active."""
        grant = self.grants[id]
        return grant.amount - grant.spent - grant.written_off - self.held(id)

    def available(self, id: str) -> int:
        return self.unspoken(id) if self.grants[id].active(self.now) else 0

    def forfeited(self, id: str) -> int:
        return self.unspoken(id) if self.state(id) == "expired" else 0

    def remaining(self, id: str) -> int:
        grant = self.grants[id]
        return grant.amount - grant.spent - grant.written_off

    def state(self, id: str) -> str:
        grant = self.grants[id]
        if grant.voided is not None and grant.voided <= self.now:
            return "voided"
        if grant.ends <= self.now:
            return "expired"
        if self.now < grant.starts:
            return "scheduled"
        return "active" if self.remaining(id) else "used up"

    def largest(self, model: str) -> int:
        """The largest reservation that credit alone can carry."""
        return sum(
            self.available(id) for id, grant in self.grants.items() if grant.model in (None, model)
        )

    def boundaries(self) -> list[int]:
        """Every instant yet to come at which something starts or ends."""
        found = {edge for g in self.grants.values() for edge in (g.starts, g.ends)}
        found |= {r.ends for r in self.reservations if r.state == "held"}
        return sorted(edge for edge in found if self.now < edge < FOREVER)

    # What happens to it

    def tick(self, now: int) -> None:
        assert now >= self.now
        self.now = now
        for reservation in self.reservations:
            if reservation.state == "held" and reservation.ends <= now:
                reservation.state = "expired"
                self._give_back(reservation.holds)

    def remember(self) -> None:
        """Keep what is true now, to be asked for later."""
        self.history[self.now] = {
            id: Holding(g.amount, self.unspoken(id), self.held(id), g.spent, g.written_off)
            for id, g in self.grants.items()
        }

    def grant(self, grant: ModelGrant) -> None:
        self.grants[grant.id] = grant

    def use(self, model: str, tokens: int, at: int) -> ModelCall:
        draws = self._plan(model, tokens, at)
        for id, drawn in draws.items():
            self.grants[id].spent += drawn
        for seen, holdings in self.history.items():
            if seen >= at:
                for id, drawn in draws.items():
                    if id in holdings:
                        was = holdings[id]
                        holdings[id] = Holding(
                            was.amount, was.available - drawn, was.held, was.spent + drawn,
                            was.written_off,
                        )  # fmt: skip
        call = ModelCall(model, at, tokens, draws, tokens - sum(draws.values()))
        self.calls.append(call)
        return call

    def reserve(self, model: str, tokens: int, ttl: int, *, free_only: bool) -> ModelReservation:
        if free_only and tokens > self.largest(model):
            raise Refused("NoOffer")
        reservation = ModelReservation(
            model, self.now, self.now + ttl, tokens, self._plan(model, tokens, self.now)
        )
        self.reservations.append(reservation)
        return reservation

    def settle(self, reservation: ModelReservation, tokens: int) -> ModelCall:
        if reservation.state == "released":
            raise Refused("ReservationClosed")
        if reservation.state == "settled":
            raise Refused("RequestConflict")
        draws: dict[str, int] = {}
        left = tokens
        if reservation.state == "held":
            for id in sorted(reservation.holds, key=lambda id: self.grants[id].order()):
                drawn = min(left, reservation.holds[id])
                if drawn:
                    draws[id] = drawn
                    self.grants[id].spent += drawn
                    left -= drawn
            self._give_back({id: n - draws.get(id, 0) for id, n in reservation.holds.items()})
        reservation.state, reservation.used = "settled", tokens
        for id, drawn in self._plan(reservation.model, left, reservation.at).items():
            draws[id] = draws.get(id, 0) + drawn
            self.grants[id].spent += drawn
        overage = tokens - sum(draws.values())
        call = ModelCall(reservation.model, reservation.at, tokens, draws, overage)
        self.calls.append(call)
        return call

    def release(self, reservation: ModelReservation) -> None:
        if reservation.state == "settled":
            raise Refused("ReservationClosed")
        if reservation.state == "held":
            reservation.state = "released"
            self._give_back(reservation.holds)

    def void_grant(self, id: str) -> None:
        grant = self.grants[id]
        if grant.voided is None:
            grant.written_off += self.unspoken(id)
            grant.voided = self.now

    def void_call(self, call: ModelCall) -> None:
        if not call.voided:
            call.voided = True
            for id, drawn in call.draws.items():
                self.grants[id].spent -= drawn
            self._give_back(call.draws)

    def adjust(self, id: str, remaining: int) -> None:
        grant = self.grants[id]
        if grant.voided is not None or remaining < self.held(id):
            raise Refused("InvalidValue")
        change = remaining - self.remaining(id)
        back = min(max(0, change), grant.written_off)  # a mistake is reversed before more is given
        grant.written_off -= min(0, change) + back
        grant.amount += max(0, change) - back

    def _give_back(self, amounts: dict[str, int]) -> None:
        """What comes back to a voided grant is written off."""
        for id, amount in amounts.items():
            if self.grants[id].voided is not None:
                self.grants[id].written_off += amount

    def _plan(self, model: str, tokens: int, at: int) -> dict[str, int]:
        """Which grants active at `at` pay how much, as far as they have something left now."""
        draws: dict[str, int] = {}
        for grant in sorted(self.grants.values(), key=ModelGrant.order):
            drawn = min(tokens, self.unspoken(grant.id))
            if drawn and grant.active(at) and grant.model in (None, model):
                draws[grant.id] = drawn
                tokens -= drawn
        return draws
