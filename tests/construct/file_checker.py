"""A second opinion on `sma construct solve`, from its files alone.

Written from the text of the file contract (docs/construct.md) in plain loops, and on purpose
without a single import of opensma: what this page misreads, nothing else will excuse.
"""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

Row = dict[str, Any]

WINDOW = timedelta(days=30)
SHARE, DOLLAR, WEIGHT, CENT = 1e-6, 1e-6, 1e-9, 0.005
WHOLE_CASH, WHOLE_SECTOR, FRACTION_SUM = 2e-4, 5e-4, 1e-6
CLAIM = 1e-8  # of V: what a file may differ from what its trades say
TRADE_REASONS = {
    "harvest_loss", "harvest_replacement", "drift_to_target", "risk_cap", "client_exclusion",
    "position_cap", "sector_cap", "cash_need", "cash_invest", "min_trade_cleanup",
}  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """One broken promise; `amount` is the excess in the unit of the rule."""

    account_id: str
    rule: str
    amount: float


@dataclass
class Inputs:
    """The input folder; everything by id."""

    as_of: date
    accounts: dict[str, Row]
    securities: dict[str, Row]
    row_of: dict[str, int]  # security -> row of the risk model
    loadings: np.ndarray
    factor_cov: np.ndarray
    specific: np.ndarray
    lots: dict[str, dict[str, Row]]  # account -> lot -> row
    targets: dict[str, dict[str, float]]
    wishes: dict[str, list[Row]]
    lost: dict[str, set[str]]  # taxpayer -> groups sold at a loss in the last 30 days

    def group(self, security: str) -> str:
        named = self.securities[security]["group"]
        if named is None:
            return security
        again = self.securities.get(named)  # a group named like a security is that one's group
        return named if again is None or again["group"] in (None, named) else again["group"]

    def price(self, security: str) -> float:
        return float(self.securities[security]["price"])

    def variance(self, weights: dict[str, float]) -> float:
        active = self.vector(weights)
        return max(float(active @ self.pull(active)), 0.0)

    def vector(self, weights: dict[str, float]) -> np.ndarray:
        vector = np.zeros(len(self.row_of))
        for security, weight in weights.items():
            vector[self.row_of[security]] = weight
        return vector

    def pull(self, active: np.ndarray) -> np.ndarray:
        common = self.loadings @ (self.factor_cov @ (self.loadings.T @ active))
        return np.asarray(common + self.specific * active)


@dataclass
class Outcome:
    """What the trades of one account come to."""

    account: Row
    value: float
    held: dict[str, float]
    after: dict[str, float]
    bought: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    sold: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    tax: float = 0.0
    cost: float = 0.0
    cash: float = 0.0
    gain: dict[str, float] = field(default_factory=lambda: {"st": 0.0, "lt": 0.0})
    moved: float = 0.0
    variance: tuple[float, float] = (0.0, 0.0)

    @property
    def turnover(self) -> float:
        return self.moved / 2.0 / self.value

    def risk(self, variance: float) -> float:
        return self.value * (self.account["risk_aversion"] or 0.0) / 2.0 * variance


# --- reading -----------------------------------------------------------------------------------


def rows(path: Path) -> list[Row]:
    """Rows of a Parquet file as dictionaries; a NaN is nothing."""
    with duckdb.connect() as connection:
        found = connection.execute("SELECT * FROM read_parquet(?)", [str(path)])
        names = [column[0] for column in found.description]
        return [
            {name: _plain(value) for name, value in zip(names, line, strict=True)}
            for line in found.fetchall()
        ]


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        value = float(value)
    return None if value != value else value


def _optional(path: Path) -> list[Row]:
    return rows(path) if path.exists() else []


def read_inputs(source: Path) -> Inputs:
    """Everything in DIR."""
    as_of = date.fromisoformat(json.loads((source / "params.json").read_text())["as_of"])
    securities = {row["security_id"]: row for row in rows(source / "securities.parquet")}
    loads = {row["security_id"]: row for row in rows(source / "loadings.parquet")}
    covariance = rows(source / "factor_cov.parquet")
    factors = [f"f{j}" for j in range(len(covariance))]
    lots: dict[str, dict[str, Row]] = defaultdict(dict)
    for row in rows(source / "lots.parquet"):
        lots[row["account_id"]][row["lot_id"]] = row
    targets: dict[str, dict[str, float]] = defaultdict(dict)
    for row in rows(source / "targets.parquet"):
        targets[row["account_id"] or ""][row["security_id"]] = row["weight"]
    wishes = defaultdict(list)
    for row in _optional(source / "restrictions.parquet"):
        wishes[row["account_id"]].append(row)
    inputs = Inputs(
        as_of=as_of,
        accounts={row["account_id"]: row for row in rows(source / "accounts.parquet")},
        securities=securities,
        row_of={name: i for i, name in enumerate(securities)},
        loadings=np.array([[loads[name][f] for f in factors] for name in securities]),
        factor_cov=np.array([[row[f] for f in factors] for row in covariance]),
        specific=np.array([row["specific_var"] for row in securities.values()]),
        lots=lots,
        targets=targets,
        wishes=wishes,
        lost=defaultdict(set),
    )
    for row in _optional(source / "loss_sales.parquet"):
        if as_of - WINDOW <= row["sold"] <= as_of and row["quantity"] > 0:
            inputs.lost[row["taxpayer_id"]].add(inputs.group(row["security_id"]))
    return inputs


# --- the check ---------------------------------------------------------------------------------


def check_files(source: Path, out: Path) -> list[Fault]:
    """Every promise of the contract that the files in `out` break, given those in `source`."""
    inputs = read_inputs(source)
    plans = {row["account_id"]: row for row in rows(out / "accounts.parquet")}
    trades: dict[str, list[Row]] = defaultdict(list)
    for row in rows(out / "trades.parquet"):
        trades[row["account_id"]].append(row)
    faults = [Fault(name, "no_row", 1.0) for name in inputs.accounts if name not in plans]
    strangers = {*plans, *trades} - {*inputs.accounts}
    faults += [Fault(name, "no_such_account", 1.0) for name in sorted(strangers)]
    members: dict[str, list[str]] = defaultdict(list)
    for name in sorted(inputs.accounts.keys() & plans.keys()):
        members[inputs.accounts[name]["taxpayer_id"]].append(name)
    for taxpayer, names in members.items():
        mine = {name: trades.get(name, []) for name in names}
        faults += _check_taxpayer(inputs, taxpayer, {n: plans[n] for n in names}, mine)
    return faults


def _check_taxpayer(
    inputs: Inputs, taxpayer: str, plans: dict[str, Row], trades: dict[str, list[Row]]
) -> list[Fault]:
    faults = [f for name, mine in trades.items() for f in _shape(inputs, name, mine)]
    if faults:
        return faults
    for name, plan in plans.items():
        if plan["status"] not in ("solved", "infeasible", "failed"):
            faults.append(Fault(name, "status", 1.0))
        if plan["status"] != "solved" and trades[name]:
            faults.append(Fault(name, "untouched", len(trades[name])))
        if plan["status"] != "solved" and not plan["message"]:
            faults.append(Fault(name, "message", 1.0))
    washed = _washed(inputs, trades)
    barred = inputs.lost[taxpayer] | {
        inputs.group(t["security_id"])
        for name, mine in trades.items()
        for t in mine
        if _loss(inputs, name, t)
    }
    total = {"objective": 0.0, "before": 0.0, "bound": 0.0}
    idle_is_legal = True
    for name in (name for name, plan in plans.items() if plan["status"] == "solved"):
        outcome = _outcome(inputs, name, trades[name], washed)
        idle = _outcome(inputs, name, [], {})
        idle_is_legal &= not _rules(inputs, name, [], idle, set())
        faults += _rules(inputs, name, trades[name], outcome, barred)
        faults += _claims(inputs, name, plans[name], trades[name], outcome, washed)
        total["objective"] += outcome.tax + outcome.cost + outcome.risk(outcome.variance[1])
        total["before"] += outcome.risk(outcome.variance[0])
        total["bound"] += plans[name]["bound"] or 0.0  # a missing one is a fault of its own
    slack = 1e-6 * len(plans) + 1e-9 * abs(total["objective"])
    if idle_is_legal and total["objective"] > total["before"] + slack:
        faults.append(Fault(min(plans), "worse_than_nothing", total["objective"] - total["before"]))
    if total["bound"] > total["objective"] + slack:
        faults.append(Fault(min(plans), "bound", total["bound"] - total["objective"]))
    return faults


def _shape(inputs: Inputs, name: str, trades: list[Row]) -> list[Fault]:
    """Rows that name something which is not there, or trade nothing."""
    faults = []
    for trade in trades:
        lot = inputs.lots[name].get(trade["lot_id"])
        known = trade["security_id"] in inputs.securities and trade["shares"] not in (None, 0.0)
        right = known and (
            trade["lot_id"] is None
            if trade["shares"] > 0.0
            else lot is not None and lot["security_id"] == trade["security_id"]
        )
        if not right:
            faults.append(Fault(name, "shape", 1.0))
    return faults


# --- tax ---------------------------------------------------------------------------------------


def _unit_gain(inputs: Inputs, name: str, trade: Row) -> float:
    lot = inputs.lots[name][trade["lot_id"]]
    return float(inputs.price(lot["security_id"]) - lot["basis"] / lot["quantity"])


def _loss(inputs: Inputs, name: str, trade: Row) -> bool:
    """Sold below basis; a millionth of a dollar in all is rounding."""
    return trade["shares"] < 0.0 and _unit_gain(inputs, name, trade) * -trade["shares"] < -DOLLAR


def _long_term(acquired: date, as_of: date) -> bool:
    """Held for more than a year; the end of a month is met by the end of a month."""
    after = acquired + timedelta(days=1)  # the day of acquisition does not count
    day = min(after.day, 28) if (after.month, after.day) == (2, 29) else after.day
    start = date(after.year + 1, after.month, day)
    return as_of >= (start if day == after.day else start + timedelta(days=1))


def _washed(inputs: Inputs, trades: dict[str, list[Row]]) -> dict[tuple[str, str], float]:
    """(account, lot) -> shares sold at a loss that kept purchases of the window replace."""
    sold: dict[tuple[str, str], float] = defaultdict(float)
    for name, mine in trades.items():
        for trade in mine:
            if trade["shares"] < 0.0:
                sold[name, trade["lot_id"]] -= trade["shares"]
    left: dict[str, float] = defaultdict(float)
    for name in trades:
        for lot_id, lot in inputs.lots[name].items():
            if inputs.as_of - WINDOW <= lot["acquired"] <= inputs.as_of:
                kept = max(lot["quantity"] - sold.get((name, lot_id), 0.0), 0.0)
                left[inputs.group(lot["security_id"])] += kept
    losses = []
    for (name, lot_id), shares in sold.items():
        lot = inputs.lots[name][lot_id]
        trade = {"lot_id": lot_id, "shares": -shares}
        if _loss(inputs, name, trade):
            unit = lot["basis"] / lot["quantity"]
            losses.append((lot["acquired"], name, lot["security_id"], -unit, lot_id, shares))
    washed = {}
    for _, name, security, _, lot_id, shares in sorted(losses):
        taken = min(shares, left[inputs.group(security)])
        left[inputs.group(security)] -= taken
        washed[name, lot_id] = taken
    return washed


def _trade_tax(
    inputs: Inputs, name: str, trade: Row, washed: dict[tuple[str, str], float]
) -> tuple[float, float, str]:
    """Tax, gain that counts, and term of one sale."""
    account, lot = inputs.accounts[name], inputs.lots[name][trade["lot_id"]]
    term = "lt" if _long_term(lot["acquired"], inputs.as_of) else "st"
    counted = -trade["shares"] - washed.get((name, trade["lot_id"]), 0.0)
    gain = _unit_gain(inputs, name, trade) * counted
    return gain * float(account[f"{term}_rate"]), gain, term


# --- figures -----------------------------------------------------------------------------------


def _outcome(
    inputs: Inputs, name: str, trades: list[Row], washed: dict[tuple[str, str], float]
) -> Outcome:
    account = inputs.accounts[name]
    held: dict[str, float] = defaultdict(float)
    for lot in inputs.lots[name].values():
        held[lot["security_id"]] += lot["quantity"]
    value = account["cash"] + sum(q * inputs.price(s) for s, q in held.items())
    outcome = Outcome(account, value if value > 0.0 else 1.0, held, dict(held))
    outcome.cash = account["cash"]
    for trade in trades:
        security, shares = trade["security_id"], trade["shares"]
        notional = abs(shares) * inputs.price(security)
        (outcome.bought if shares > 0.0 else outcome.sold)[security] += abs(shares)
        outcome.after[security] = outcome.after.get(security, 0.0) + shares
        outcome.cost += notional * inputs.securities[security]["cost_bps"] / 10_000
        outcome.moved += notional
        outcome.cash -= shares * inputs.price(security)
        if shares < 0.0:
            tax, gain, term = _trade_tax(inputs, name, trade, washed)
            outcome.tax += tax
            outcome.gain[term] += gain
    outcome.cost += (account.get("ticket_cost") or 0.0) * len({t["security_id"] for t in trades})
    outcome.cash -= outcome.cost
    target = _target(inputs, name)
    before, after = (
        _active(inputs, shares, outcome.value, target) for shares in (held, outcome.after)
    )
    outcome.variance = (inputs.variance(before), inputs.variance(after))
    return outcome


def _target(inputs: Inputs, name: str) -> dict[str, float]:
    return inputs.targets.get(name) or inputs.targets[""]


def _active(
    inputs: Inputs, shares: dict[str, float], value: float, target: dict[str, float]
) -> dict[str, float]:
    return {
        s: shares.get(s, 0.0) * inputs.price(s) / value - target.get(s, 0.0)
        for s in {*shares, *target}
    }


# --- rules -------------------------------------------------------------------------------------


def _rules(
    inputs: Inputs, name: str, trades: list[Row], outcome: Outcome, barred: set[str]
) -> list[Fault]:
    found = [
        *_lot_rules(inputs, name, trades),
        *_security_rules(inputs, trades, outcome, barred),
        *_wishes(inputs, name, outcome),
        *_account_rules(outcome),
    ]
    return [Fault(name, rule, amount) for rule, amount in found]


def _lot_rules(inputs: Inputs, name: str, trades: list[Row]) -> list[tuple[str, float]]:
    sold: dict[str, float] = defaultdict(float)
    for trade in trades:
        if trade["shares"] < 0.0:
            sold[trade["lot_id"]] -= trade["shares"]
    over = {lot: shares - inputs.lots[name][lot]["quantity"] for lot, shares in sold.items()}
    return [("oversold", amount) for amount in over.values() if amount > SHARE]


def _security_rules(
    inputs: Inputs, trades: list[Row], outcome: Outcome, barred: set[str]
) -> list[tuple[str, float]]:
    found = [("short", -left) for left in outcome.after.values() if left < -SHARE]
    for security in {*outcome.bought, *outcome.sold}:
        bought, sold = outcome.bought.get(security, 0.0), outcome.sold.get(security, 0.0)
        emptied = outcome.after[security] <= SHARE
        notional = abs(bought - sold) * inputs.price(security)
        short_of = outcome.account["min_trade"] - notional
        if bought and sold:
            found.append(("both_sides", min(bought, sold)))
        if bought and inputs.group(security) in barred:
            found.append(("bought_in_window", bought))
        if not emptied and short_of > DOLLAR:
            found.append(("min_trade", short_of))
        least = outcome.account.get("min_position") or 0.0
        stub = least - outcome.after[security] * inputs.price(security)
        if not emptied and stub > DOLLAR:
            found.append(("min_position", stub))
    for trade in trades if outcome.account["whole_shares"] else ():
        fraction = abs(trade["shares"] - round(trade["shares"]))
        emptied = trade["shares"] < 0.0 and outcome.after[trade["security_id"]] <= SHARE
        if fraction > WEIGHT and not emptied:
            found.append(("whole_shares", fraction))
    return found


def _wishes(inputs: Inputs, name: str, outcome: Outcome) -> list[tuple[str, float]]:
    found = []
    for wish in inputs.wishes.get(name, ()):
        kind, key, value = wish["kind"], wish["key"], wish["value"]
        sector = [s for s, row in inputs.securities.items() if row["sector"] == key]
        covered = [key] if key in inputs.securities else sector
        weight = sum(outcome.after.get(s, 0.0) * inputs.price(s) for s in covered) / outcome.value
        slack = WHOLE_SECTOR if outcome.account["whole_shares"] else FRACTION_SUM
        over = {
            "exclude": max(outcome.after.get(s, 0.0) for s in covered) - SHARE,
            "no_buy": sum(outcome.bought.get(s, 0.0) for s in covered),
            "no_sell": sum(outcome.sold.get(s, 0.0) for s in covered),
            "max_weight": weight - (value or 0.0) - WEIGHT,
            "sector_max": weight - (value or 0.0) - slack,
            "sector_min": (value or 0.0) - weight - slack,
        }[kind]
        if over > 0.0:
            found.append((kind, over))
    return found


def _account_rules(outcome: Outcome) -> list[tuple[str, float]]:
    account, found = outcome.account, []
    cash = outcome.cash / outcome.value
    slack = WHOLE_CASH if account["whole_shares"] else FRACTION_SUM
    limits: list[tuple[str, float, float | None, float]] = [
        ("cash_low", -cash, -account["cash_low"], slack),
        ("cash_high", cash, account["cash_high"], slack),
        ("max_turnover", outcome.turnover, account["max_turnover"], WEIGHT),
        ("te_cap", outcome.variance[1] ** 0.5, account["te_cap"], WEIGHT),
        ("st_gain_budget", outcome.gain["st"], account["st_gain_budget"], CENT),
        ("lt_gain_budget", outcome.gain["lt"], account["lt_gain_budget"], CENT),
    ]
    names = sum(shares > SHARE for shares in outcome.after.values())
    limits.append(("max_names", float(names), account.get("max_names"), 0.0))
    for rule, reached, limit, tolerance in limits:
        if limit is not None and not reached - limit <= tolerance:
            found.append((rule, reached - limit))
    return found


# --- what the files say about themselves ---------------------------------------------------------


def _claims(
    inputs: Inputs,
    name: str,
    plan: Row,
    trades: list[Row],
    outcome: Outcome,
    washed: dict[tuple[str, str], float],
) -> list[Fault]:
    before, after = (outcome.risk(variance) for variance in outcome.variance)
    objective = after + outcome.tax + outcome.cost
    scale = outcome.value
    said = [
        ("objective", plan["objective"], objective, scale),
        ("objective_before", plan["objective_before"], before, scale),
        ("tax", plan["tax"], outcome.tax, scale),
        ("cost", plan["cost"], outcome.cost, scale),
        ("cash_after", plan["cash_after"], outcome.cash, scale),
        ("te_before", plan["te_before"], outcome.variance[0] ** 0.5, 1.0),
        ("te_after", plan["te_after"], outcome.variance[1] ** 0.5, 1.0),
        ("turnover", plan["turnover"], outcome.turnover, 1.0),
        ("adds_up", _sum(trades), objective - before, scale),
    ]
    target = _target(inputs, name)
    middle = {
        s: (outcome.held.get(s, 0.0) + outcome.after.get(s, 0.0)) / 2.0
        for s in {*outcome.held, *outcome.after}
    }
    pull = inputs.pull(inputs.vector(_active(inputs, middle, outcome.value, target)))
    charged: set[str] = set()  # the first row of a security bears its ticket
    for trade in trades:
        security = trade["security_id"]
        ticket = 0.0 if security in charged else outcome.account.get("ticket_cost") or 0.0
        charged.add(security)
        said += _trade_claims(inputs, name, trade, outcome, washed, pull, ticket)
    faults = [
        Fault(name, rule, abs((claim if claim is not None else np.inf) - true))
        for rule, claim, true, unit in said
        if claim is None or not abs(claim - true) <= CLAIM * unit
    ]
    if plan["bound"] is None or plan["bound"] > objective + 1e-9 * scale:
        faults.append(Fault(name, "bound", (plan["bound"] or 0.0) - objective))
    faults += [Fault(name, "reason", 1.0) for t in trades if t["reason"] not in TRADE_REASONS]
    return faults


def _sum(trades: list[Row]) -> float:
    return float(sum(t[part] for t in trades for part in ("risk", "tax", "cost")))


def _trade_claims(
    inputs: Inputs,
    name: str,
    trade: Row,
    outcome: Outcome,
    washed: dict[tuple[str, str], float],
    pull: np.ndarray,
    ticket: float,
) -> list[tuple[str, float, float, float]]:
    security = trade["security_id"]
    dollars = trade["shares"] * inputs.price(security)
    tax = _trade_tax(inputs, name, trade, washed)[0] if trade["shares"] < 0.0 else 0.0
    cost = abs(dollars) * inputs.securities[security]["cost_bps"] / 10_000 + ticket
    aversion = outcome.account["risk_aversion"] or 0.0
    risk = dollars * aversion * float(pull[inputs.row_of[security]])
    return [
        ("trade_notional", trade["notional"], abs(dollars), outcome.value),
        ("trade_tax", trade["tax"], tax, outcome.value),
        ("trade_cost", trade["cost"], cost, outcome.value),
        ("trade_risk", trade["risk"], risk, outcome.value),
    ]
