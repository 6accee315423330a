"""Laws of burn-down and of what a call costs, over whatever grants and calls there can be."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from hypothesis import assume, given
from hypothesis import strategies as st

from tracker.domain.burndown import BurnDown, Credit, Need, burn_down, spend
from tracker.domain.price import Price, Tier, Tokens, cost_nano
from tracker.units import NEVER, div_half_even

AT = 1_000
UNITS = ("tokens", "requests", "CNY", "USD")

few = st.integers(0, 12)
amounts = st.one_of(few, st.integers(0, 10**6), st.integers(0, 2**62))
boundaries = st.sampled_from((0, AT - 1, AT, AT + 1, 2_000, NEVER))


@st.composite
def credit(draw: st.DrawFn, units: Sequence[str] = UNITS) -> Credit:
    return Credit(
        priority=draw(st.integers(0, 2)),
        expires_at=draw(boundaries),
        breadth=draw(st.sampled_from((1, 1_000_000))),
        starts_at=draw(boundaries),
        id=draw(st.text("abAB-", min_size=1, max_size=3)),
        key=draw(st.integers(1, 10**6)),
        unit=draw(st.sampled_from(units)),
        available=draw(amounts),
    )


def credits(*units: str) -> st.SearchStrategy[list[Credit]]:
    return st.lists(credit(units or UNITS), max_size=7, unique_by=lambda one: one.id)


@st.composite
def need(draw: st.DrawFn, *, priced: bool | None = None) -> Need:
    tokens = draw(st.one_of(few, st.integers(0, 10**12)))
    known = draw(st.booleans()) if priced is None else priced
    return Need(tokens, draw(amounts) if known and tokens else 0 if known else None, "CNY")


def usable(one: Credit, wanted: Need) -> bool:
    in_money = one.unit not in ("tokens", "requests")
    return (
        one.starts_at <= AT < one.expires_at
        and one.available > 0
        and not (in_money and (wanted.list_nano is None or one.unit != wanted.currency))
    )


def paid(burn: BurnDown) -> dict[str, int]:
    return {draw.credit.id: draw.amount for draw in burn.draws}


@given(credits(), need())
def test_draws_and_overage_add_up_to_what_was_asked(found: list[Credit], wanted: Need) -> None:
    burn = burn_down(found, wanted, AT)
    assert sum(draw.tokens for draw in burn.draws) + burn.overage_tokens == wanted.tokens
    assert burn.overage_tokens >= 0


@given(credits(), need())
def test_no_grant_pays_more_than_it_has_nor_outside_its_period(
    found: list[Credit], wanted: Need
) -> None:
    burn = burn_down(found, wanted, AT)
    for drawn in burn.draws:
        assert usable(drawn.credit, wanted)
        assert 0 < drawn.amount <= drawn.credit.available
        assert drawn.tokens >= 0
        if drawn.credit.unit == "tokens":
            assert drawn.tokens == drawn.amount
        if drawn.credit.unit == "requests":
            assert drawn.amount == 1
    assert len(paid(burn)) == len(burn.draws), "no grant pays twice"


@given(credits(), need(), st.randoms(use_true_random=False))
def test_the_order_grants_come_in_is_irrelevant(found: list[Credit], wanted: Need, random) -> None:
    shuffled = random.sample(found, len(found))
    assert burn_down(shuffled, wanted, AT) == burn_down(found, wanted, AT)


@given(credits(), need())
def test_grants_pay_in_the_order_of_priority_end_breadth_start_and_id(
    found: list[Credit], wanted: Need
) -> None:
    order = [
        (one.priority, one.expires_at, one.breadth, one.starts_at, [ord(c) for c in one.id])
        for one, _, _ in burn_down(found, wanted, AT).draws
    ]
    assert order == sorted(order)


@given(credits("tokens"), need(priced=True))
def test_a_grant_is_used_up_before_the_next_one_pays(found: list[Credit], wanted: Need) -> None:
    burn = burn_down(found, wanted, AT)
    for drawn in burn.draws[:-1]:
        assert drawn.amount == drawn.credit.available
    if burn.overage_tokens:
        assert paid(burn) == {one.id: one.available for one in found if usable(one, wanted)}


@given(credits("tokens"), st.integers(0, 10**7), st.integers(0, 10**7))
def test_two_halves_of_a_call_draw_what_the_whole_draws(
    found: list[Credit], first: int, second: int
) -> None:
    def after(left: dict[str, int], tokens: int) -> tuple[dict[str, int], int]:
        now = [one._replace(available=left[one.id]) for one in found]
        burn = burn_down(now, Need(tokens, None, None), AT)
        return {id: left[id] - paid(burn).get(id, 0) for id in left}, burn.overage_tokens

    start = {one.id: one.available for one in found}
    middle, overage = after(start, first)
    end, more = after(middle, second)
    assert (end, overage + more) == after(start, first + second)


@given(credits(), need(), credit())
def test_one_more_grant_never_costs_more_nor_covers_less(
    found: list[Credit], wanted: Need, more: Credit
) -> None:
    assume(more.id not in {one.id for one in found})
    without = burn_down(found, wanted, AT)
    with_it = burn_down([*found, more], wanted, AT)
    assert with_it.overage_tokens <= without.overage_tokens
    if without.cash_nano is not None:
        assert with_it.cash_nano is not None
        assert with_it.cash_nano <= without.cash_nano


@given(credits(), need())
def test_cash_is_known_where_there_is_a_price_or_nothing_is_left_to_pay(
    found: list[Credit], wanted: Need
) -> None:
    burn = burn_down(found, wanted, AT)
    if not burn.overage_tokens:
        assert burn.cash_nano == 0
    elif wanted.list_nano is None:
        assert burn.cash_nano is None
    else:
        assert burn.cash_nano is not None
        assert 0 <= burn.cash_nano <= wanted.list_nano


@given(credits("tokens", "requests"), need(priced=True))
def test_cash_is_the_share_of_the_overage_rounded_half_even_once(
    found: list[Credit], wanted: Need
) -> None:
    burn = burn_down(found, wanted, AT)
    if wanted.tokens:
        exact = Fraction(wanted.list_nano * burn.overage_tokens, wanted.tokens)
        assert burn.cash_nano == round(exact)  # of Fractions, round is half-even


@given(credits("CNY"), need(priced=True))
def test_credit_in_money_pays_the_list_price_and_cash_the_rest_of_it(
    found: list[Credit], wanted: Need
) -> None:
    burn = burn_down(found, wanted, AT)
    if wanted.tokens:
        assert sum(paid(burn).values()) + burn.cash_nano == wanted.list_nano
        if burn.cash_nano:
            assert burn.overage_tokens, "what costs cash is not called covered"


@given(credits(), need())
def test_money_of_another_currency_pays_nothing(found: list[Credit], wanted: Need) -> None:
    assert all(drawn.credit.unit != "USD" for drawn in burn_down(found, wanted, AT).draws)


@given(credits("requests"), need(priced=True))
def test_one_request_pays_for_a_whole_call(found: list[Credit], wanted: Need) -> None:
    burn = burn_down(found, wanted, AT)
    there = any(usable(one, wanted) for one in found)
    assert burn.overage_tokens == (0 if there else wanted.tokens)
    assert sum(paid(burn).values()) == (1 if there and wanted.tokens else 0)


@given(credits("tokens"))
def test_spending_reads_no_further_than_it_must(found: list[Credit]) -> None:
    read: list[Credit] = []

    def source():
        for one in found:
            read.append(one)
            yield one

    burn = spend(source(), Need(10, None, None))
    if not burn.overage_tokens:
        assert sum(one.available for one in read[:-1]) < 10


@given(st.integers(0, 10**24), st.integers(1, 10**12))
def test_division_rounds_half_to_even(numerator: int, denominator: int) -> None:
    assert div_half_even(numerator, denominator) == round(Fraction(numerator, denominator))


counts = st.integers(0, 10**12)
prices = st.integers(0, 10**12)


@given(st.builds(Tokens, counts, counts, counts), prices, prices, st.none() | prices)
def test_list_cost_is_exact_and_rounded_once(
    tokens: Tokens, into: int, out: int, cached: int | None
) -> None:
    price = Price(0, "CNY", (Tier(0, into, out, cached),))
    exact = Fraction(
        tokens.uncached * into
        + tokens.cached * (into if cached is None else cached)
        + tokens.output * out,
        1_000,
    )
    assert cost_nano(price, tokens) == round(exact)


@given(st.builds(Tokens, few, few, few), st.lists(few, min_size=1, max_size=3, unique=True))
def test_the_whole_call_is_charged_at_the_tier_its_input_exceeds(
    tokens: Tokens, above: list[int]
) -> None:
    bounds = sorted({0, *above})
    price = Price(
        0,
        "CNY",
        tuple(Tier(bound, 1_000 * (place + 1), 0, None) for place, bound in enumerate(bounds)),
    )
    length = tokens.uncached + tokens.cached
    tier = max((place for place, bound in enumerate(bounds) if length > bound), default=0)
    assert cost_nano(price, tokens) == length * (tier + 1)
