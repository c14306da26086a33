"""What the API answers; a field may be added within version 1, never removed or changed."""

from __future__ import annotations

from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Item = TypeVar("Item")


class Model(BaseModel):
    """Built from our frozen records by name."""

    model_config = ConfigDict(from_attributes=True)


class ErrorDetail(Model):
    """What went wrong, where, and what to do."""

    code: str
    message: str
    where: str = ""
    remedy: str = ""


class Failure(Model):
    """Every answer that is no success."""

    error: ErrorDetail


class Page(Model, Generic[Item]):
    """Part of a list; `next` asks for the following part, absent at the end."""

    items: list[Item]
    next: str | None = None


class AccountOut(Model):
    """An account with its newest figures; null before its first day."""

    account_id: str
    name: str
    registration: str
    status: str
    opened: str
    strategy_id: str
    value_cents: int | None = None
    cash_cents: int | None = None
    unrealised_cents: int | None = None
    time_weighted_return: float | None = None
    benchmark_return: float | None = None
    as_of: str | None = None


class LotOut(Model):
    """One open lot."""

    lot: int
    acquired: str
    quantity_micros: int
    basis_cents: int
    value_cents: int
    gain_cents: int
    long_term: bool
    long_from: str
    wash_cents: int


class PositionOut(Model):
    """A security with its lots."""

    symbol: str
    name: str
    sector: str
    quantity_micros: int
    price_micros: int
    value_cents: int
    basis_cents: int
    weight: float
    target: float
    lots: list[LotOut]


class HoldingsOut(Model):
    """Everything an account holds at the closes of a day."""

    account_id: str
    as_of: str
    cash_cents: int
    value_cents: int
    positions: list[PositionOut]


class TradeOut(Model):
    """A trade of the newest plan with its reason, in one sentence and in cents that add up."""

    trade_id: str
    day: str
    side: str
    symbol: str
    quantity_micros: int
    price_micros: int
    notional_cents: int
    reason: str
    why: str
    risk_cents: int
    tax_cents: int
    cost_cents: int
    lot: int | None
    posted: bool


class PlanOut(Model):
    """The newest decision for an account."""

    account_id: str
    day: str | None
    status: str | None
    review: str | None
    tracking_error_before: float | None
    tracking_error_after: float | None
    tax_cents: int | None
    gap_bps: float | None
    binding: list[str]
    trades: list[TradeOut]


class PerformanceOut(Model):
    """Returns of a period, gross and net together; null with a reason in `missing`."""

    account_id: str
    first: str
    last: str
    begin_cents: int
    end_cents: int
    inflow_cents: int
    outflow_cents: int
    gross_return: float
    net_return: float | None
    benchmark_return: float
    money_weighted_return: float | None
    after_tax_return: float | None
    tracking_error: float | None
    beta: float | None
    max_drawdown: float
    missing: list[str]


class SaleOut(Model):
    """A row of Form 8949."""

    description: str
    acquired: str
    sold: str
    proceeds_cents: int
    basis_cents: int
    code: str
    adjustment_cents: int
    gain_cents: int
    box: str


class TaxYearOut(Model):
    """One account's tax year; an estimate until the custodian's form arrives."""

    account_id: str
    year: int
    as_of: str
    short_gain_cents: int
    short_loss_cents: int
    long_gain_cents: int
    long_loss_cents: int
    deferred_cents: int
    harvested_cents: int
    sales: list[SaleOut]


class FeeLineOut(Model):
    """One line of an invoice that names the account."""

    invoice_id: str
    period: str
    stands: bool
    kind: str
    base_cents: int
    days: int
    amount_cents: int
    sentence: str


class FeesOut(Model):
    """Fees of an account, the newest invoice first."""

    account_id: str
    lines: list[FeeLineOut]


class ExceptionOut(Model):
    """What needs a person."""

    account_id: str
    stage: str
    code: str
    message: str
    remedy: str


class DayOut(Model):
    """The newest trading day, as far as the caller sees it."""

    day: str | None
    status: str | None
    accounts: int
    exceptions: list[ExceptionOut]


class RequestIn(Model):
    """A wish: fields of a what-if as people write them, or words alone."""

    model_config = ConfigDict(extra="forbid")
    exclude: str = Field("", max_length=200, description="Tickers, sectors or themes, with commas")
    te_cap: str = Field("", max_length=40, description="As 0.75% or 75bp")
    aversion: str = Field("", max_length=40)
    raise_cash: str = Field("", max_length=40, description="Dollars")
    budget: str = Field("", max_length=40, description="Net long-term gain a year, dollars")
    short_budget: str = Field("", max_length=40)
    note: str = Field("", max_length=2000)


class RequestOut(Model):
    """A request with its answer."""

    request_id: str
    account_id: str
    asked_by: str
    asked_at: int
    fields: dict[str, str]
    note: str
    state: str
    verdict: str
    decided_by: str
    decided_at: int | None
    reason: str
    applied: list[str]
