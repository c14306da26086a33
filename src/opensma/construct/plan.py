"""What the decision returns: trades with exact dollars, reasons, and the certificate.

Contributions add up: over a plan, `sum(risk + tax + cost) = objective - objective_before`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from opensma.construct.problem import Codes, Floats


class Status(StrEnum):
    """How the decision for an account ended."""

    SOLVED = "solved"
    INFEASIBLE = "infeasible"  # the message names the smallest conflicting set
    FAILED = "failed"  # our trouble: the account is left alone and shows up as an exception


class Reason(StrEnum):
    """Why a trade is made, or an interesting one is not (closed list, P3 and P4)."""

    HARVEST_LOSS = "harvest_loss"
    HARVEST_REPLACEMENT = "harvest_replacement"
    DRIFT_TO_TARGET = "drift_to_target"
    RISK_CAP = "risk_cap"
    CLIENT_EXCLUSION = "client_exclusion"
    POSITION_CAP = "position_cap"
    SECTOR_CAP = "sector_cap"
    CASH_NEED = "cash_need"
    CASH_INVEST = "cash_invest"
    MIN_TRADE_CLEANUP = "min_trade_cleanup"
    # reasons for no trade
    WASH_BLOCKED = "wash_blocked"
    GAIN_TOO_DEAR = "gain_too_dear"
    BELOW_THRESHOLD = "below_threshold"
    TRACKING_COST_TOO_HIGH = "tracking_cost_too_high"
    RESTRICTED = "restricted"
    GAIN_BUDGET_USED = "gain_budget_used"
    MIN_TRADE = "min_trade"


@dataclass(frozen=True, slots=True)
class Trades:
    """One row per lot sold and per security bought; every column (t,)."""

    security: Codes  # row in the universe
    lot: Codes  # row in the account's LotColumns, -1 for a buy
    shares: Floats  # negative = sell
    notional: Floats  # |shares| * price
    tax: Floats  # dollars; negative = tax value of a harvested loss
    cost: Floats  # dollars
    risk: Floats  # exact share of the change in J's risk term; 0 with a tracking-error cap
    risk_shadow: Floats  # the same share, valued at the cap's multiplier when there is a cap
    reason: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class NonTrade:
    """A notable trade that was not made, with the dollars it would have been worth."""

    security: int
    reason: Reason
    dollars: float


@dataclass(frozen=True, slots=True)
class Plan:
    """The decision for one account; dollars and weights as in `docs/construct.md`."""

    account_id: str
    status: Status
    message: str
    trades: Trades
    non_trades: tuple[NonTrade, ...]
    objective: float
    objective_before: float
    bound: float  # certified lower bound on J of the real problem
    te_before: float
    te_after: float
    tax: float
    cost: float
    turnover: float
    cash_after: float
    risk_aversion: float  # lambda used: given, or the cap's multiplier
    binding: tuple[str, ...]
    seconds: float
