"""What-if: the preview is what the next day would do, and its figures add up."""

from pathlib import Path

import numpy as np
import pytest

from opensma.book.master import AccountRecord, Restriction, add_records, all_records
from opensma.book.plans import StoredPlan, day_plans
from opensma.book.store import Book, open_book
from opensma.construct.motion.cash import raising
from opensma.construct.problem import Floats
from opensma.construct.solve import solve_taxpayer
from opensma.day import run_day
from opensma.errors import InputError
from opensma.market import Market, open_market
from opensma.measure.wishes import named
from opensma.trade.change_text import read_change
from opensma.trade.problem import limits
from opensma.trade.restriction_prices import restriction_prices
from opensma.trade.standing import ReadyDay, Standing, ready_day, standing, standing_day
from opensma.trade.what_if import (
    Change,
    changed,
    rows_named,
    scope_named,
    value_of,
    what_if,
)

CENTS_APART = 10  # the book rounds trade by trade, the preview once


@pytest.fixture(scope="module")
def market(small_market: Path) -> Market:
    return open_market(small_market)


@pytest.fixture
def book(small_book: str) -> Book:
    return open_book(small_book)


@pytest.fixture
def ready(book: Book, market: Market) -> ReadyDay:
    return ready_day(book, market, standing_day(book, market))


def accounts(book: Book) -> list[AccountRecord]:
    with book.read() as connection:
        return [a for a in all_records(connection, AccountRecord) if a.taxed]


@pytest.fixture
def stands(book: Book, ready: ReadyDay) -> Standing:
    return standing(book, ready, accounts(book)[0].account_id)


def plans(book: Book, market: Market) -> dict[str, StoredPlan]:
    report = run_day(book, market, market.day(-1), recorded_at="t")
    with book.read() as connection:
        return {p.account_id: p for p in day_plans(connection, report.run.run_id)}


def largest(stands: Standing) -> str:
    """The ticker of the account's largest holding."""
    lots, price = stands.account.lots, stands.ready.day.universe.price
    worth = np.bincount(lots.security, lots.quantity * price[lots.security], len(price))
    return stands.ready.symbols[int(worth.argmax())]


def test_the_plan_without_a_change_is_the_plan_of_the_next_day(
    book: Book, ready: ReadyDay, market: Market
) -> None:
    told = {
        a.account_id: what_if(standing(book, ready, a.account_id), Change()) for a in accounts(book)
    }
    for account_id, plan in plans(book, market).items():
        if account_id in told:
            one = told[account_id]
            assert (one.tax_cents, one.cost_cents, one.trades, one.te_bps, one.moves) == (
                *(0, 0, 0, 0.0),
                (),
            )
            assert one.before.tax_cents == pytest.approx(plan.tax_cents, abs=CENTS_APART)
            assert one.before.tracking_error == pytest.approx(plan.te_after, abs=1e-12)


def test_the_plan_with_an_exclusion_is_the_next_day_once_it_is_saved(
    book: Book, market: Market, stands: Standing
) -> None:
    symbol = largest(stands)
    told = what_if(stands, Change(exclude=(symbol,)))
    row = stands.ready.symbols.index(symbol)
    name = stands.ready.day.view.security[row]
    who = stands.account_id
    wish = Restriction("w", who, "exclude", "security", name, None, "2024-01-01", None, "test")
    with book.write() as connection:
        add_records(connection, [wish])
    plan = plans(book, market)[stands.account_id]
    assert told.after.tax_cents == pytest.approx(plan.tax_cents, abs=CENTS_APART)
    assert told.after.tracking_error == pytest.approx(plan.te_after, abs=1e-12)
    assert symbol in {move.symbol for move in told.moves}


def test_nothing_is_written(book: Book, stands: Standing) -> None:
    from opensma.book.proof import book_hash

    before = book_hash(book)
    what_if(stands, Change(exclude=(largest(stands),), raise_cents=100_000))
    restriction_prices(stands)
    assert book_hash(book) == before


def test_raised_cash_is_there_after_the_payment_with_the_band_kept(stands: Standing) -> None:
    account, ready = stands.account, stands.ready
    amount = round(value_of(ready, account) * 0.2 * 100)
    told = what_if(stands, Change(raise_cents=amount))
    rest = told.value_cents - amount
    assert told.after.solved
    assert told.after.cash_cents >= account.cash_low * rest - 2e-4 * told.value_cents
    assert told.after.cash_cents <= account.cash_high * rest + 2e-4 * told.value_cents


def test_tracking_error_after_a_payment_is_that_of_what_stays(stands: Standing) -> None:
    account, ready = stands.account, stands.ready
    value = value_of(ready, account)
    amount = round(value * 0.2, 2)
    told = what_if(stands, Change(raise_cents=round(amount * 100)))
    asked = raising(ready.prepared, account, amount)
    taxpayer = stands.taxpayer.__class__(
        "t",
        tuple(asked if a is account else a for a in stands.taxpayer.accounts),
        stands.taxpayer.loss_groups,
    )
    plan = solve_taxpayer(ready.prepared, taxpayer, ready.ordinal)[stands.position]
    price = ready.day.universe.price
    shares = np.bincount(account.lots.security, account.lots.quantity, len(price))
    np.add.at(shares, plan.trades.security, plan.trades.shares)
    active = shares * price / (value - amount) - account.target
    assert told.after.tracking_error == pytest.approx(tracking_error(ready, active), rel=1e-6)


def tracking_error(ready: ReadyDay, active: Floats) -> float:
    u = ready.day.universe
    loaded = active @ u.loadings
    return float(np.sqrt(loaded @ u.factor_cov @ loaded + (active**2 * u.specific_var).sum()))


def test_a_gain_budget_holds_for_both_terms(stands: Standing) -> None:
    change = Change(exclude=(largest(stands),))
    free = what_if(stands, change)
    budget = max(free.after.long_gain_cents // 2, 0)
    told = what_if(
        stands,
        Change(
            exclude=change.exclude,
            gain_budget_cents=budget + 10**9,
            short_gain_budget_cents=10**9,
        ),
    )
    assert (
        told.after.tax_cents == free.after.tax_cents
    )  # a budget that is never met changes nothing
    tight = changed(stands.ready, stands.account, Change(gain_budget_cents=500))
    assert (tight.lt_gain_budget, tight.st_gain_budget) == (5.0, 0.0)


def test_a_tighter_cap_is_kept(stands: Standing) -> None:
    free = what_if(stands, Change())
    cap = int(free.before.tracking_error * 1e4 * 0.9)
    told = what_if(stands, Change(te_cap_bps=cap))
    assert told.after.solved
    assert told.after.tracking_error <= cap / 1e4 + 1e-9
    assert told.te_bps < 0


def test_what_cannot_hold_together_is_named_with_tickers(stands: Standing) -> None:
    symbol = largest(stands)
    account = stands.account
    row = stands.ready.symbols.index(symbol)
    account.limits.no_sell[row] = True
    told = what_if(stands, Change(exclude=(symbol,)))
    assert not told.after.solved
    assert told.after.status == "infeasible"
    assert symbol in told.after.message


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (Change(exclude=("no such name",)), "what_if.unknown_name"),
        (Change(te_cap_bps=50, risk_aversion_micros=10**6), "what_if.cap_and_aversion"),
        (Change(te_cap_bps=0), "what_if.too_small"),
        (Change(raise_cents=-1), "what_if.too_small"),
        (Change(raise_cents=10**15), "cash.more_than_all"),
    ],
)
def test_a_change_that_means_nothing_is_refused(
    stands: Standing, change: Change, code: str
) -> None:
    with pytest.raises(InputError) as refused:
        what_if(stands, change)
    assert refused.value.code == code
    assert refused.value.remedy


def test_names_may_be_tickers_sectors_and_themes(ready: ReadyDay) -> None:
    view = ready.day.view
    assert rows_named(ready, ready.symbols[3].lower()).nonzero()[0].tolist() == [3]
    assert (rows_named(ready, view.sector_name[1].upper()) == (view.sector == 1)).all()
    for theme, members in view.themes.items():
        assert (rows_named(ready, theme.replace("_", " ")) == members).all()


@pytest.mark.parametrize(
    ("text", "bps"), [("0.75%", 75), ("0.75", 75), ("75bp", 75), ("75 bps", 75), ("1", 100)]
)
def test_a_cap_is_read_in_percent_or_basis_points(text: str, bps: int) -> None:
    assert read_change({"te_cap": text}).te_cap_bps == bps


@pytest.mark.parametrize(
    ("field", "text"),
    [("te_cap", "x"), ("te_cap", "0.755"), ("te_cap", "101%"), ("raise", "$1.234"), ("raise", "a")],
)
def test_what_cannot_be_read_names_its_field(field: str, text: str) -> None:
    with pytest.raises(InputError) as refused:
        read_change({field: text})
    assert refused.value.where


def test_money_is_read_with_signs_and_separators() -> None:
    assert read_change({"raise": "$20,000.50", "budget": "0"}) == Change(
        raise_cents=2_000_050, gain_budget_cents=0
    )


# --- prices of restrictions ----------------------------------------------------------------------


def test_a_price_is_the_difference_to_the_plan_without_the_restriction(
    book: Book, ready: ReadyDay
) -> None:
    who = accounts(book)[0]
    free = standing(book, ready, who.account_id)
    symbol = largest(free)
    name = ready.day.view.security[ready.symbols.index(symbol)]
    with book.write() as connection:
        add_records(connection, [wish(who.account_id, "exclude", name)])
    bound = standing(book, ready, who.account_id)
    found = restriction_prices(bound)
    price = next(p for p in found.priced if p.key == name)
    without, with_it = what_if(free, Change()).before, what_if(bound, Change()).before
    assert price.tax_cents == with_it.tax_cents - without.tax_cents
    assert price.cost_cents == with_it.cost_cents - without.cost_cents
    apart = with_it.tracking_error - without.tracking_error
    assert price.te_bps == pytest.approx(apart * 1e4)
    assert price.total_cents == price.risk_year_cents + price.tax_cents + price.cost_cents
    assert price.te_bps > 0


def test_what_touches_nothing_has_no_price(book: Book, ready: ReadyDay) -> None:
    who = accounts(book)[0]
    with book.write() as connection:
        add_records(connection, [wish(who.account_id, "exclude", "NOT-LISTED")])
    found = restriction_prices(standing(book, ready, who.account_id))
    assert "NOT-LISTED" in {w.scope_key for w in found.idle}
    assert "NOT-LISTED" not in {p.key for p in found.priced}


def test_a_binding_cap_is_priced_by_ten_basis_points_more(stands: Standing) -> None:
    from dataclasses import replace

    now = what_if(stands, Change()).before.tracking_error
    account = changed(stands.ready, stands.account, Change(te_cap_bps=int(now * 9000)))
    others = tuple(account if a is stands.account else a for a in stands.taxpayer.accounts)
    capped = replace(stands, taxpayer=replace(stands.taxpayer, accounts=others))
    price = next(p for p in restriction_prices(capped).priced if p.kind == "te_cap")
    assert price.wider
    assert -10.5 < price.te_bps < 0  # the cap makes tracking error smaller
    assert price.tax_cents >= 0
    assert price.risk_year_cents == 0  # under a cap risk is no cost of its own
    assert price.total_cents == price.tax_cents + price.cost_cents


def wish(account: str, kind: str, key: str) -> Restriction:
    return Restriction("r", account, kind, "security", key, None, "2024-01-01", None, "test")


def test_an_issuer_is_all_of_its_share_classes(book: Book, market: Market, ready: ReadyDay) -> None:
    """Excluded by name, asked for, kept, and the same rows on the next day."""
    view = ready.day.view
    group = view.group_of_key[view.key_of_row]
    codes, counts = np.unique(group, return_counts=True)
    shared = np.flatnonzero(group == codes[counts > 1][0])
    ticker = ready.symbols[int(shared[0])]
    rows = rows_named(ready, f"Issuer {ticker.lower()}")
    assert np.flatnonzero(rows).tolist() == shared.tolist()
    assert rows_named(ready, ticker).sum() == 1
    scope, key = scope_named(ready, f"issuer {ticker}")
    assert (scope, key) == ("issuer", view.security[int(shared[0])])
    account = accounts(book)[0].account_id
    wish = Restriction("r-1", account, "exclude", scope, key, None, "2024-01-01", None, "Wish")
    assert limits(view, (wish,)).exclude.tolist() == rows.tolist()
    mask = named(market, wish)
    assert {market.security_id[i] for i in np.flatnonzero(mask)} >= {
        view.security[int(row)] for row in shared
    }
    with pytest.raises(InputError, match="no security"):
        rows_named(ready, "issuer nothing-like-it")
