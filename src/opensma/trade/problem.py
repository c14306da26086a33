"""From the book's integers to the decision's arrays: one universe a day, one problem a taxpayer.

The only place where money becomes a float on its way to the solver. A lot that is no purchase or
has already replaced a loss (W2, W7) is shown to the solver as bought long ago: it washes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from opensma.book.master import CASH_RESERVE, AccountRecord, Household, Restriction
from opensma.book.names import KeyMap
from opensma.book.state import AccountState
from opensma.construct.problem import Account, Limits, LotColumns, Mask, Taxpayer, Universe
from opensma.errors import BookError
from opensma.market import Market, RiskModel
from opensma.tax.relief import at_price
from opensma.tax.wash import WINDOW_DAYS
from opensma.units import CENTS, MICROS, Ints, notional_cents_array

_LONG_AGO = 1


@dataclass(frozen=True, slots=True)
class DayView:
    """The securities that can be traded on the day, with maps from and to the book's keys."""

    security: tuple[str, ...]
    sector: Ints
    sector_name: tuple[str, ...]
    key_of_row: Ints  # (n,)
    row_of_key: Ints  # -1 where a key cannot be traded today
    price_micros: Ints  # (n,)
    target: np.ndarray  # (n,) benchmark weights, sum 1
    row_of_id: dict[str, int]
    themes: dict[str, Mask]
    group_of_key: Ints
    day: int


@dataclass(frozen=True, slots=True)
class DayUniverse:
    """The view with what the decision needs besides: costs and the risk model."""

    view: DayView
    universe: Universe


def day_view(market: Market, keys: KeyMap, day: int) -> DayView:
    """Every security with a close on the day; the benchmark's weights among them."""
    closes = market.close_micros[market.row(day)]
    listed = np.flatnonzero(closes > 0)
    key_of_row = keys.key_of_row[listed]
    row_of_key = np.full(len(keys.row_of_key), -1, dtype=np.int64)
    row_of_key[key_of_row] = np.arange(len(listed))
    weights = market.target_weights(day)[listed]
    names = tuple(market.security_id[row] for row in listed)
    return DayView(
        names,
        market.sector_code[listed],
        market.sector_name,
        key_of_row,
        row_of_key,
        closes[listed],
        weights / weights.sum(),
        {name: row for row, name in enumerate(names)},
        {theme: mask[listed] for theme, mask in market.themes.items()},
        keys.group_of_key,
        day,
    )


def day_universe(market: Market, view: DayView, risk: RiskModel) -> DayUniverse:
    """The solver's universe, row for row the view's."""
    listed = np.array([market.index[name] for name in view.security], dtype=np.int64)
    universe = Universe(
        security=view.security,
        price=view.price_micros / MICROS,
        cost_bps=market.cost_bps(view.day)[listed],
        sector=view.sector,
        sector_name=view.sector_name,
        group=market.group[listed],
        loadings=risk.loadings[listed],
        factor_cov=risk.factor_cov,
        specific_var=risk.specific_var[listed],
    )
    return DayUniverse(view, universe)


def taxpayer_problem(
    universe: DayUniverse,
    household: Household,
    states: dict[int, AccountState],
    left_alone: Collection[str] = (),
    fees: Mapping[str, int] = MappingProxyType({}),
) -> tuple[Taxpayer, dict[str, BookError]]:
    """The problem of one taxpayer, and why some accounts cannot be part of it today.

    Accounts `left_alone` do not trade but still count: their losses forbid purchases (W1), and
    what they have just bought is not sold elsewhere, where the loss would be washed (W6). `fees`
    are cents that accounts owe and have not paid: their cash is raised by them (B26).
    """
    day = universe.view
    members, errors = {}, {}
    for account in household.accounts:
        if account.account_id in left_alone:
            continue
        try:
            state, owed = states[account.account_key], fees.get(account.account_id, 0)
            members[account.account_id] = _account(day, household, account, state, owed)
        except BookError as error:
            errors[account.account_id] = error
    recent = _bought_elsewhere(
        universe, states, [a for a in household.accounts if a.account_id not in members]
    )
    accounts = tuple(_without_sales(member, recent) for member in members.values())
    losses = _loss_groups(universe, household, states)
    return Taxpayer(household.taxpayer.taxpayer_id, accounts, losses), errors


def _bought_elsewhere(
    universe: DayUniverse,
    states: dict[int, AccountState],
    accounts: Collection[AccountRecord],
) -> Mask:
    """Universe rows of groups that these accounts bought in the last 30 days, not yet used."""
    day = universe.view
    groups = [np.zeros(0, dtype=np.int64)]
    for account in accounts:
        lots = states[account.account_key].lots
        fresh = (lots.acquired_day + WINDOW_DAYS >= day.day) & (lots.purchase == 1)
        groups.append(day.group_of_key[lots.security[fresh & (lots.used == 0)]])
    mask: Mask = np.isin(day.group_of_key[day.key_of_row], np.concatenate(groups))
    return mask


def _without_sales(account: Account, rows: Mask) -> Account:
    if not rows.any():
        return account
    limits = replace(account.limits, no_sell=account.limits.no_sell | rows)
    return replace(account, limits=limits)


def _loss_groups(
    universe: DayUniverse, household: Household, states: dict[int, AccountState]
) -> Ints:
    """Universe group codes that the taxpayer sold at a loss in the last 30 days (W1, W27)."""
    day, lost = universe.view, []
    for account in household.accounts:
        losses = states[account.account_key].losses
        live = (losses.sold_day + WINDOW_DAYS >= day.day) & (losses.quantity_micros > 0)
        lost.append(day.group_of_key[losses.security[live]])
    groups = np.unique(np.concatenate(lost))
    touched = np.isin(day.group_of_key[day.key_of_row], groups)
    codes: Ints = np.unique(universe.universe.group[touched])
    return codes


def _account(
    day: DayView, household: Household, account: AccountRecord, state: AccountState, owed_cents: int
) -> Account:
    profile = household.profile
    rates = (profile.short_rate_micros / MICROS, profile.long_rate_micros / MICROS)
    short_rate, long_rate = rates if account.taxed else (0.0, 0.0)
    lots = lot_columns(day, account, state)
    held = float((lots.quantity * day.price_micros[lots.security]).sum()) / MICROS
    value, wishes = state.cash_cents / CENTS + held, household.restrictions[account.account_id]
    band = _band(account, owed_cents + _reserved_cents(wishes, value), value)
    return Account(
        account_id=account.account_id,
        lots=lots,
        cash=state.cash_cents / CENTS,
        cash_low=band[0],
        cash_high=band[1],
        target=day.target * (1.0 - (band[0] + band[1]) / 2.0),
        limits=limits(day, wishes),
        st_rate=short_rate,
        lt_rate=long_rate,
        min_trade=account.min_trade_cents / CENTS,
        whole_shares=bool(account.whole_shares),
        risk_aversion=_optional(account.risk_aversion_micros, MICROS),
        te_cap=_optional(account.te_cap_bps, 10_000),
    )


def _reserved_cents(wishes: tuple[Restriction, ...], value: float) -> int:
    """Cash that an owner wants paid out: kept on top of the band until it is."""
    share = sum(w.value_bps or 0 for w in wishes if w.kind == CASH_RESERVE) / 1e4
    return round(share * value * CENTS)


def _band(account: AccountRecord, owed_cents: int, value: float) -> tuple[float, float]:
    """The cash band of the rest, and fee and reserve on top of it; at most everything (B26)."""
    low, high = account.cash_low_bps / 1e4, account.cash_high_bps / 1e4
    if owed_cents <= 0 or value <= 0:
        return low, high
    owed = min(1.0, owed_cents / CENTS / value)
    return owed + low * (1.0 - owed), owed + high * (1.0 - owed)


def _optional(value: int | None, scale: int) -> float | None:
    return None if value is None else value / scale


def lot_columns(day: DayView, account: AccountRecord, state: AccountState) -> LotColumns:
    """The account's lots in the solver's units, row for row as in its state."""
    lots = state.lots
    rows = day.row_of_key[lots.security]
    if len(rows) and int(rows.min()) < 0:
        raise BookError(
            "price.missing",
            "A held security has no close today.",
            where=account.account_id,
            remedy="Import the missing prices or the corporate action that ended it.",
        )
    worth = notional_cents_array(lots.quantity_micros, day.price_micros[rows])
    basis, long_from = at_price(lots, worth)
    replaces = (lots.purchase == 1) & (lots.used == 0)
    return LotColumns(
        security=rows,
        quantity=lots.quantity_micros / MICROS,
        basis=basis / CENTS,
        acquired_day=np.where(replaces, lots.acquired_day, _LONG_AGO),
        long_term=long_from <= day.day,
    )


def limits(day: DayView, wishes: tuple[Restriction, ...]) -> Limits:
    """Restrictions as masks and bounds; BookError for a kind or a name that nobody knows."""
    count, sectors = len(day.key_of_row), len(day.sector_name)
    masks = {kind: np.zeros(count, dtype=bool) for kind in ("exclude", "no_buy", "no_sell")}
    max_weight = np.full(count, np.inf)
    sector_max, sector_min = np.full(sectors, np.inf), np.zeros(sectors)
    for wish in wishes:
        value = (wish.value_bps or 0) / 1e4
        if wish.kind == CASH_RESERVE:
            continue  # of the cash band, not of any name
        if wish.kind in masks:
            masks[wish.kind] |= _named(day, wish)
        elif wish.kind == "max_weight":
            named = _named(day, wish)
            max_weight[named] = np.minimum(max_weight[named], value)
        elif wish.kind in ("sector_max", "sector_min"):
            code = _sector(day, wish)
            if wish.kind == "sector_max":
                sector_max[code] = min(sector_max[code], value)
            else:
                sector_min[code] = max(sector_min[code], value)
        else:
            raise _bad_wish(wish, f"'{wish.kind}' is no kind of restriction.")
    return Limits(
        masks["exclude"], masks["no_buy"], masks["no_sell"], max_weight, sector_max, sector_min
    )


def _named(day: DayView, wish: Restriction) -> Mask:
    """Universe rows that a restriction names; a security not traded today touches none."""
    mask = np.zeros(len(day.key_of_row), dtype=bool)
    if wish.scope == "security":
        row = day.row_of_id.get(wish.scope_key)
        if row is not None:
            mask[row] = True
        return mask
    if wish.scope == "issuer":
        row, group = day.row_of_id.get(wish.scope_key), day.group_of_key[day.key_of_row]
        return mask if row is None else np.asarray(group == group[row])
    if wish.scope == "sector":
        mask[day.sector == _sector(day, wish)] = True
        return mask
    if wish.scope == "theme" and wish.scope_key in day.themes:
        return day.themes[wish.scope_key]
    raise _bad_wish(wish, f"There is no {wish.scope} '{wish.scope_key}'.")


def _sector(day: DayView, wish: Restriction) -> int:
    if wish.scope_key not in day.sector_name:
        raise _bad_wish(wish, f"There is no sector '{wish.scope_key}'.")
    return day.sector_name.index(wish.scope_key)


def _bad_wish(wish: Restriction, message: str) -> BookError:
    return BookError(
        "restriction.unknown",
        message,
        where=f"{wish.account_id}, {wish.restriction_id}",
        remedy="Correct the restriction; the account is not traded before.",
    )
