"""Reads of the API: each asks the book for its caller, as the portal's pages do."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi import Path as InPath
from starlette.exceptions import HTTPException

from opensma.access.tokens import TokenScope
from opensma.book.feeviews import bills_of
from opensma.book.rights import Right
from opensma.book.taxviews import tax_year
from opensma.book.tradeviews import TradeView
from opensma.book.views import (
    AccountView,
    ProgramRow,
    account_decision,
    account_view,
    program_rows,
    program_view,
)
from opensma.errors import BookError, InputError
from opensma.measure.performance import account_performance
from opensma.report.explain import why_traded
from opensma.web.api import models
from opensma.web.api.caller import Caller, Callers

MOST = 200
AccountId = Annotated[str, InPath(pattern=r"^[\w.-]{1,64}$")]
Year = Annotated[int, InPath(ge=1970, le=2200)]


def reading_routes(callers: Callers) -> APIRouter:
    """Accounts, holdings, plans, performance, taxes, fees, the day."""
    router = APIRouter()
    _account_routes(router, callers)
    _figure_routes(router, callers)
    return router


def _account_routes(router: APIRouter, callers: Callers) -> None:
    @router.get("/accounts")
    def accounts(
        caller: Annotated[Caller, Depends(callers.wanting(TokenScope.ACCOUNTS))],
        limit: Annotated[int, Query(ge=1, le=MOST)] = 50,
        after: Annotated[str, Query(pattern=r"^[\w.-]{0,64}$")] = "",
    ) -> models.Page[models.AccountOut]:
        """Accounts in order of id; `after` is the `next` of the part before."""
        rows = [r for r in _rows(caller) if r.account.account_id > after]
        part, more = rows[:limit], len(rows) > limit
        last = part[-1].account.account_id if more else None
        return models.Page[models.AccountOut](items=[_account(r) for r in part], next=last)

    @router.get("/accounts/{account_id}")
    def account(
        caller: Annotated[Caller, Depends(callers.wanting(TokenScope.ACCOUNTS))],
        account_id: AccountId,
    ) -> models.AccountOut:
        """One account."""
        caller.account(account_id, Right.HOLDINGS)
        return _account(next(r for r in _rows(caller) if r.account.account_id == account_id))

    @router.get("/accounts/{account_id}/holdings")
    def holdings(
        caller: Annotated[Caller, Depends(callers.wanting(TokenScope.HOLDINGS))],
        account_id: AccountId,
    ) -> models.HoldingsOut:
        """Positions with every open lot."""
        caller.account(account_id, Right.HOLDINGS)
        portal = caller.pages.portal
        return _holdings(account_view(portal.book, portal.market, account_id, caller.viewer))

    @router.get("/accounts/{account_id}/plan")
    def plan(
        caller: Annotated[Caller, Depends(callers.wanting(TokenScope.HOLDINGS))],
        account_id: AccountId,
    ) -> models.PlanOut:
        """What the newest day decided, every trade with its reason."""
        caller.account(account_id, Right.HOLDINGS)
        return _plan(caller, account_id)


def _figure_routes(router: APIRouter, callers: Callers) -> None:
    @router.get("/accounts/{account_id}/performance")
    def performance(
        caller: Annotated[Caller, Depends(callers.wanting(TokenScope.PERFORMANCE))],
        account_id: AccountId,
        first: date | None = None,
        last: date | None = None,
    ) -> models.PerformanceOut:
        """Returns from the close of `first` (funding) to the close of `last` (newest day)."""
        caller.account(account_id, Right.PERFORMANCE)
        return _performance(caller, account_id, first, last)

    @router.get("/accounts/{account_id}/taxes/{year}")
    def taxes(
        caller: Annotated[Caller, Depends(callers.wanting(TokenScope.TAXES))],
        account_id: AccountId,
        year: Year,
    ) -> models.TaxYearOut:
        """Realised results of a year and its Form 8949 rows."""
        caller.account(account_id, Right.TAXES, year)
        return _taxes(caller, account_id, year)

    @router.get("/accounts/{account_id}/fees")
    def fees(
        caller: Annotated[Caller, Depends(callers.wanting(TokenScope.FEES))],
        account_id: AccountId,
    ) -> models.FeesOut:
        """Every invoice line that names the account."""
        caller.account(account_id, Right.FEES)
        with caller.pages.portal.book.read() as connection:
            bills = bills_of(connection, account_id)
        lines = [
            models.FeeLineOut(
                invoice_id=bill.invoice.invoice_id, period=bill.invoice.period, stands=bill.stands,
                kind=line.kind, base_cents=line.base_cents, days=line.days,
                amount_cents=line.amount_cents, sentence=line.sentence,
            )
            for bill in bills for line in bill.lines if line.account_id == account_id
        ]  # fmt: skip
        return models.FeesOut(account_id=account_id, lines=lines)

    @router.get("/day")
    def day(
        caller: Annotated[Caller, Depends(callers.wanting(TokenScope.DAY))],
    ) -> models.DayOut:
        """The newest day and what needs a person."""
        view = program_view(caller.pages.portal.book, caller.viewer)
        found = [models.ExceptionOut.model_validate(e) for e in view.exceptions]
        run = view.run
        return models.DayOut(
            day=run.day if run else None, status=run.status if run else None,
            accounts=len(view.rows), exceptions=found,
        )  # fmt: skip


def _rows(caller: Caller) -> list[ProgramRow]:
    return program_rows(caller.pages.portal.book, caller.viewer)


def _account(row: ProgramRow) -> models.AccountOut:
    measured = row.measures
    out = models.AccountOut.model_validate(row.account)
    if measured is None:
        return out
    return out.model_copy(
        update={
            "value_cents": measured.value_cents,
            "cash_cents": measured.cash_cents,
            "unrealised_cents": measured.value_cents - measured.cash_cents - measured.basis_cents,
            "time_weighted_return": measured.twr,
            "benchmark_return": measured.benchmark_twr,
            "as_of": measured.day,
        }
    )


def _holdings(view: AccountView) -> models.HoldingsOut:
    held = view.holdings
    lots: dict[int, list[models.LotOut]] = {}
    for lot in held.lots:
        out = models.LotOut(
            lot=lot.lot, acquired=lot.acquired.isoformat(), quantity_micros=lot.quantity_micros,
            basis_cents=lot.basis_cents, value_cents=lot.value_cents, gain_cents=lot.gain_cents,
            long_term=lot.long_term, long_from=lot.long_from.isoformat(),
            wash_cents=lot.wash_cents,
        )  # fmt: skip
        lots.setdefault(lot.security_key, []).append(out)
    positions = [
        models.PositionOut(
            symbol=p.symbol, name=p.name, sector=p.sector, quantity_micros=p.quantity_micros,
            price_micros=p.price_micros, value_cents=p.value_cents, basis_cents=p.basis_cents,
            weight=p.weight, target=p.target, lots=lots.get(p.security_key, []),
        )
        for p in held.positions if p.lots
    ]  # fmt: skip
    return models.HoldingsOut(
        account_id=view.account.account_id, as_of=held.day.isoformat(),
        cash_cents=held.cash_cents, value_cents=held.value_cents, positions=positions,
    )  # fmt: skip


def _plan(caller: Caller, account_id: str) -> models.PlanOut:
    found = account_decision(caller.pages.portal.book, account_id, caller.viewer)
    plan = found.plan

    def trade(one: TradeView) -> models.TradeOut:
        return models.TradeOut(
            trade_id=one.trade_id, day=one.day.isoformat(), side=one.side, symbol=one.symbol,
            quantity_micros=one.quantity_micros, price_micros=one.price_micros,
            notional_cents=one.notional_cents, reason=one.reason, why=why_traded(one, found),
            risk_cents=one.risk_cents, tax_cents=one.tax_cents, cost_cents=one.cost_cents,
            lot=None if one.lot is None else one.lot.lot, posted=one.posted,
        )  # fmt: skip

    return models.PlanOut(
        account_id=account_id,
        day=found.run.day if found.run else None,
        status=plan.status if plan else None,
        review=plan.review if plan else None,
        tracking_error_before=plan.te_before if plan else None,
        tracking_error_after=plan.te_after if plan else None,
        tax_cents=plan.tax_cents if plan else None,
        gap_bps=found.gap_bps,
        binding=plan.binding_names if plan else [],
        trades=[trade(one) for one in found.trades],
    )


def _performance(
    caller: Caller, account_id: str, first: date | None, last: date | None
) -> models.PerformanceOut:
    portal = caller.pages.portal
    found = account_performance(portal.book, portal.market, account_id, first, last)
    after = None if found.after_tax is None else found.after_tax.pre_liquidation.cumulative
    own = None if found.money_weighted is None else found.money_weighted.period
    return models.PerformanceOut(
        account_id=account_id, first=found.time_weighted.start.isoformat(),
        last=found.time_weighted.end.isoformat(), begin_cents=found.begin_cents,
        end_cents=found.end_cents, inflow_cents=found.inflow_cents,
        outflow_cents=found.outflow_cents, gross_return=found.time_weighted.cumulative,
        net_return=None if found.net is None else found.net.cumulative,
        benchmark_return=found.benchmark.cumulative, money_weighted_return=own,
        after_tax_return=after, tracking_error=found.tracking_error, beta=found.beta,
        max_drawdown=found.max_drawdown, missing=list(found.missing),
    )  # fmt: skip


def _taxes(caller: Caller, account_id: str, year: int) -> models.TaxYearOut:
    try:
        view = tax_year(caller.pages.portal.book, account_id, year, viewer=caller.viewer)
    except (InputError, BookError):
        raise HTTPException(404) from None  # a year that has not begun, or before the account
    (shown,) = view.shown()
    sales = [models.SaleOut.model_validate(row) for row in view.rows]
    return models.TaxYearOut(
        account_id=account_id, year=year, as_of=view.as_of.isoformat(),
        short_gain_cents=shown.short_gain_cents, short_loss_cents=shown.short_loss_cents,
        long_gain_cents=shown.long_gain_cents, long_loss_cents=shown.long_loss_cents,
        deferred_cents=shown.deferred_cents,
        harvested_cents=shown.harvested_short_cents + shown.harvested_long_cents, sales=sales,
    )  # fmt: skip
