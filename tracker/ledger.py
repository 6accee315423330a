"""`Ledger`: the whole library surface. Each method calls one use-case."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Self

from tracker.domain.grant import ALL_MODELS, DEFAULT_PRIORITY, TOKENS, Balance, Grant
from tracker.domain.reservation import Reservation
from tracker.domain.usage import Imported, Usage
from tracker.domain.verification import Verification
from tracker.errors import InvalidValue, ReservationClosed
from tracker.routing.policy import Decision
from tracker.service import balances, calls
from tracker.service.opened import Opened

Amount = int | str | Decimal
Moment = str | date | datetime


class Call:
    """A call in progress: set `usage` when it is done.

    decision: what was chosen; its fields are here too, so `call.model` is the model to ask.
    """

    def __init__(self, decision: Decision) -> None:
        self.decision = decision
        self.usage: object = None
        self.settled: Usage | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.decision, name)


class Ledger:
    """An open ledger. Threads may share one; processes open the same file or server each.

    Every write is in the ledger, durably, when its method returns; an error other than
    `OutcomeUnknown` means that it left no trace.
    """

    def __init__(self, opened: Opened) -> None:
        self._opened = opened

    def add_provider(
        self,
        id: str,
        *,
        name: str | None = None,
        currency: str = "CNY",
        timezone: str = "Asia/Shanghai",
        base_url: str | None = None,
        note: str | None = None,
    ) -> None:
        """Record a provider. Repeating it changes nothing."""
        from tracker.service import catalog

        catalog.add_provider(
            self._opened,
            id,
            name=name,
            currency=currency,
            timezone=timezone,
            base_url=base_url,
            note_text=note,
        )

    def add_model(
        self,
        provider: str,
        model: str,
        *,
        groups: Sequence[str] = (),
        aliases: Sequence[str] = (),
        context_window: int | None = None,
        max_output_tokens: int | None = None,
        available_from: str | datetime | None = None,
        available_until: str | datetime | None = None,
        availability: str | None = None,
        note: str | None = None,
    ) -> None:
        """Record a model a provider offers. Repeating it changes nothing.

        availability: why it is not offered outside its period, for instance "blocked in CN".
        """
        from tracker.service import catalog

        catalog.add_model(
            self._opened,
            provider,
            model,
            groups=groups,
            aliases=aliases,
            context_window=context_window,
            max_output_tokens=max_output_tokens,
            available_from=available_from,
            available_until=available_until,
            availability=availability,
            note_text=note,
        )

    def set_price(
        self,
        provider: str,
        model: str,
        *,
        input: Amount,
        output: Amount,
        cached_input: Amount | None = None,
        tiers: Sequence[Mapping[str, Any]] = (),
        currency: str | None = None,
        valid_from: str | datetime | None = None,
        source: str | None = None,
        note: str | None = None,
    ) -> None:
        """Record a price per 1,000,000 tokens from `valid_from` (default now) on.

        tiers: mappings of above_input_tokens, input, output and optionally cached_input.
        """
        from tracker.service import catalog

        catalog.set_price(
            self._opened,
            provider,
            model,
            input=input,
            output=output,
            cached_input=cached_input,
            tiers=tiers,
            currency=currency,
            valid_from=valid_from,
            source=source,
            note_text=note,
        )

    def set_rate(
        self,
        base: str,
        quote: str,
        rate: Amount,
        *,
        valid_from: str | datetime | None = None,
        source: str | None = None,
    ) -> None:
        """Record what one `base` is worth in `quote` from `valid_from` (default now) on."""
        from tracker.service import catalog

        catalog.set_rate(self._opened, base, quote, rate, valid_from=valid_from, source=source)

    def add_grant(
        self,
        provider: str,
        amount: Amount,
        *,
        id: str | None = None,
        account: str = "default",
        models: Sequence[str] = ALL_MODELS,
        unit: str = TOKENS,
        starts_at: Moment | None = None,
        expires_at: Moment | None = None,
        priority: int = DEFAULT_PRIORITY,
        when_used_up: str = "unknown",
        every: str | None = None,
        source: str | None = None,
        note: str | None = None,
    ) -> Grant:
        """Record credit a provider gave.

        amount: tokens or requests (int, or text like "50m"), or money in the currency `unit` names.
        starts_at: default now. expires_at: a date means through the end of that day at the
        provider; None means never, "unknown" that nobody says.
        every: the window a recurring grant is renewed in ("hourly", "daily", "weekly", "monthly"),
        in the provider's time zone.
        """
        from tracker.service import grants

        return grants.add_grant(
            self._opened,
            provider,
            amount,
            id=id,
            account=account,
            models=models,
            unit=unit,
            starts_at=starts_at,
            expires_at=expires_at,
            priority=priority,
            when_used_up=when_used_up,
            every=every,
            source=source,
            note_text=note,
        )

    def void_grant(
        self, id: str, *, at: datetime | None = None, reason: str | None = None
    ) -> Grant:
        """Take a grant out of use; what it has available is written off."""
        from tracker.service import grants

        return grants.void_grant(self._opened, id, at=at, reason=reason)

    def adjust_grant(
        self, id: str, *, remaining: Amount, at: datetime | None = None, reason: str
    ) -> Grant:
        """Set what a grant has left, and record why."""
        from tracker.service import grants

        return grants.adjust_grant(self._opened, id, remaining=remaining, at=at, reason=reason)

    def log_usage(
        self,
        provider: str,
        model: str,
        *,
        input_tokens: int,
        output_tokens: int,
        cached_tokens: int = 0,
        reasoning_tokens: int = 0,
        at: datetime | None = None,
        request_id: str | None = None,
        account: str = "default",
        project: str | None = None,
        user: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Usage:
        """Record a finished call that was not reserved.

        input_tokens includes cached_tokens; output_tokens includes reasoning_tokens.
        Raises NoPrice where credit does not cover it and no price is known.
        """
        from tracker.service import recording

        return recording.log_usage(
            self._opened,
            provider,
            model,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cached_tokens=cached_tokens,
            reasoning_tokens=reasoning_tokens,
            at=at,
            request_id=request_id,
            account=account,
            project=project,
            user=user,
            tags=tags,
        )

    def log_many(self, rows: Iterable[Mapping[str, Any]]) -> Imported:
        """Record many finished calls, a transaction per 10,000; safe to repeat.

        rows: mappings of `log_usage`'s arguments, and optionally `source`.
        """
        from tracker.service import recording

        return recording.log_many(self._opened, rows)

    def void_usage(
        self, id: str, *, at: datetime | None = None, reason: str | None = None
    ) -> Usage:
        """Take a recorded call back; its grants get back what it drew."""
        from tracker.service import recording

        return recording.void_usage(self._opened, id, at=at, reason=reason)

    def route(
        self,
        model: str,
        *,
        input_tokens: int,
        max_output_tokens: int,
        hold: bool = True,
        free_only: bool = False,
        max_cash: Amount | None = None,
        providers: Collection[str] | None = None,
        exclude: Collection[str] = (),
        policy: str = "cheapest",
        ttl_s: int = 600,
        request_id: str | None = None,
        project: str | None = None,
        user: str | None = None,
        tags: Mapping[str, str] | None = None,
        explain: bool = False,
        at: datetime | None = None,
    ) -> Decision:
        """Choose the offer for a request and hold its credit.

        model: a model, an alias, "provider/model", or a group. max_cash: in the ledger's currency.
        Raises NoOffer with every offer's reason, NotFound for an unknown name, NoRate.
        """
        return calls.route(
            self._opened,
            model,
            input_tokens=input_tokens,
            max_output_tokens=max_output_tokens,
            hold=hold,
            free_only=free_only,
            max_cash=max_cash,
            providers=providers,
            exclude=exclude,
            policy_name=policy,
            ttl_s=ttl_s,
            request_id=request_id,
            project=project,
            user=user,
            tags=tags,
            explain=explain,
            at=at,
        )

    def settle(
        self,
        reservation_id: str,
        *,
        usage: object = None,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        cached_tokens: int = 0,
        reasoning_tokens: int = 0,
        at: datetime | None = None,
    ) -> Usage:
        """Record what a reserved call used.

        usage: an OpenAI or Anthropic usage object or mapping, in place of the counts.
        Never refused for lack of credit. Raises ReservationClosed after a release, RequestConflict
        after a settlement with other counts.
        """
        return calls.settle(
            self._opened,
            reservation_id,
            usage=usage,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cached_tokens=cached_tokens,
            reasoning_tokens=reasoning_tokens,
            at=at,
        )

    def release(self, reservation_id: str, *, at: datetime | None = None) -> Reservation:
        """Give back what a reservation holds: the call did not happen."""
        return calls.release(self._opened, reservation_id, at=at)

    @contextlib.contextmanager
    def call(self, model: str, **request: Any) -> Iterator[Call]:
        """Route, then settle at `call.usage`; release if the block raises before that is set.

        request: the arguments of `route`. Raises InvalidValue if the block ends without setting
        `usage`; the hold then lapses with its time to live, as nobody knows what was used.
        """
        call = Call(self.route(model, **request))
        reservation_id = call.decision.reservation_id
        if reservation_id is None:
            raise InvalidValue("a call comes with its hold; leave hold out", field="hold")
        try:
            yield call
        except BaseException:
            if call.usage is None:
                with contextlib.suppress(ReservationClosed):  # the block has closed it itself
                    self.release(reservation_id)
            else:
                call.settled = self.settle(reservation_id, usage=call.usage)
            raise
        if call.usage is None:
            raise InvalidValue(
                f"the call ended without call.usage; settle or release {reservation_id}",
                field="usage",
            )
        call.settled = self.settle(reservation_id, usage=call.usage)

    def balance(
        self,
        *,
        at: datetime | None = None,
        provider: str | None = None,
        account: str | None = None,
        model: str | None = None,
    ) -> Balance:
        """Return what every grant holds, now or at an earlier instant."""
        return balances.balance(
            self._opened, at=at, provider=provider, account=account, model=model
        )

    def verify(self) -> Verification:
        """Replay the journal and check every invariant."""
        from tracker.service import verifying

        return verifying.verify(self._opened)

    def close(self) -> None:
        """Close the ledger's connections. What is asked of it afterwards is refused."""
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
