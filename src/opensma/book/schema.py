"""Tables of the book, one description for SQLite and PostgreSQL.

Money is whole cents, quantities and prices millionths, days ISO text (`2024-12-31`), all exact;
`Double` holds statistics only. On SQLite tables are STRICT, so a wrong type is refused there too.
Columns in `VOLATILE` depend on the clock or the machine, settings in `PLACES` on where files are:
both stay outside the book's hash.
"""

from typing import Any

from sqlalchemy import (
    REAL,
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

Whole: Any = BigInteger().with_variant(Integer(), "sqlite")
Real: Any = Double().with_variant(REAL(), "sqlite")


def _key(name: str, kind: Any = Whole) -> Column[Any]:
    return Column(name, kind, primary_key=True, autoincrement=False)


def _need(name: str, kind: Any = Text, *more: Any) -> Column[Any]:
    return Column(name, kind, *more, nullable=False)


def _given(name: str, default: str, kind: Any = Text) -> Column[Any]:
    """A column that older books do not have: what their rows mean is the default."""
    return Column(name, kind, nullable=False, server_default=default)


def _table(name: str, *columns: Any) -> Table:
    return Table(name, metadata, *columns, sqlite_strict=True)


# Settings and the world's names ----------------------------------------------------------------
settings = _table("settings", _key("name", Text), _need("value"))
securities = _table(
    "securities",
    _key("security_key"),
    _need("security_id", Text),
    _need("symbol"),
    _need("name"),
    _need("sector"),
    _need("group_id"),  # identical group (W17): the security_id of its first member
    UniqueConstraint("security_id"),
)

# Master data -----------------------------------------------------------------------------------
programs = _table("programs", _key("program_id", Text), _need("name"))
strategies = _table(
    "strategies",
    _key("strategy_id", Text),
    _need("program_id", Text, ForeignKey("programs.program_id")),
    _need("name"),
    _need("benchmark_id"),
)
advisors = _table("advisors", _key("advisor_id", Text), _need("name"), _need("firm"))
taxpayers = _table(
    "taxpayers",
    _key("taxpayer_id", Text),
    _need("taxpayer_key", Whole),
    _need("name"),
    _need("filing_status"),
    _need("state"),
    UniqueConstraint("taxpayer_key"),
)
tax_profiles = _table(
    "tax_profiles",
    _key("taxpayer_id", Text),
    _key("valid_from", Text),
    _need("taxable_income_cents", Whole),
    _need("short_rate_micros", Whole),  # marginal, federal + state + NIIT
    _need("long_rate_micros", Whole),
)
owners = _table(
    "owners",
    _key("owner_id", Text),
    _need("taxpayer_id", Text, ForeignKey("taxpayers.taxpayer_id")),
    _need("name"),
)
accounts = _table(
    "accounts",
    _key("account_id", Text),
    _need("account_key", Whole),
    _need("taxpayer_id", Text, ForeignKey("taxpayers.taxpayer_id")),
    _need("owner_id", Text, ForeignKey("owners.owner_id")),
    _need("strategy_id", Text, ForeignKey("strategies.strategy_id")),
    _need("advisor_id", Text, ForeignKey("advisors.advisor_id")),
    _need("name"),
    _need("registration"),  # individual, joint, trust, ira, roth_ira
    _need("custodian"),
    _need("opened"),
    _need("status"),  # active or closed
    _need("whole_shares", Whole),
    Column("risk_aversion_micros", Whole),  # one of these two is set
    Column("te_cap_bps", Whole),
    _need("cash_low_bps", Whole),
    _need("cash_high_bps", Whole),
    _need("min_trade_cents", Whole),
    UniqueConstraint("account_key"),
    Index("ix_accounts_taxpayer_id", "taxpayer_id"),
)
restrictions = _table(
    "restrictions",
    _key("restriction_id", Text),
    _need("account_id", Text, ForeignKey("accounts.account_id")),
    _need("kind"),  # exclude, no_buy, no_sell, max_weight, sector_max, sector_min, cash_reserve
    _need("scope"),  # security, issuer, sector or theme; account of a reserve
    _need("scope_key"),
    Column("value_bps", Whole),
    _need("valid_from"),
    Column("valid_to", Text),
    _need("reason"),
    Index("ix_restrictions_account_id", "account_id"),
)
users = _table("users", _key("user_id", Text), _need("name"))
grants = _table(
    "grants",
    _key("grant_id", Text),
    _need("user_id", Text, ForeignKey("users.user_id")),
    _need("role"),
    _need("scope"),  # book, program, advisor, taxpayer, owner or account
    _need("scope_id"),
    Column("tax_year", Whole),
    _need("valid_from"),
    Column("valid_to", Text),
    _need("granted_by"),
    Index("ix_grants_user_id", "user_id"),
)

# Facts -----------------------------------------------------------------------------------------
journal = _table(
    "journal",
    _key("account_key"),
    _key("seq"),
    _need("kind"),
    _need("trade_day"),
    _need("settle_day"),
    _need("source_id"),
    _need("recorded_at"),
    _need("body"),
    _need("previous_hash"),
    _need("hash"),
    UniqueConstraint("account_key", "source_id"),
)
account_state = _table(
    "account_state",
    _key("account_key"),
    _need("seq", Whole),
    _need("head_hash"),
    _need("checksum"),
    _need("body", LargeBinary),
)

# One trading day -------------------------------------------------------------------------------
runs = _table(
    "runs",
    _key("run_id", Text),
    _need("day"),
    _need("recorded_at"),
    _need("market_hash"),
    _need("status"),  # running or done
    _given("rates", "file"),  # where marginal rates come from: file or netting
    _given("carried_share_micros", "0", Whole),  # what a loss carried forward counts; netting only
)
stages = _table(
    "stages",
    _key("run_id", Text),
    _key("position"),
    _need("stage"),
    _need("outcome"),  # canonical JSON of what the stage reports
    Column("seconds", Real),
)
progress = _table("progress", _key("run_id", Text), _key("stage", Text), _key("taxpayer_key"))
exceptions = _table(
    "exceptions",
    _key("run_id", Text),
    _key("stage", Text),
    _key("account_id", Text),
    _key("code", Text),
    _need("message"),
    _need("remedy"),
)
plans = _table(
    "plans",
    _key("run_id", Text),
    _key("account_id", Text),
    _need("status"),  # solved, infeasible, failed
    _need("review"),  # pending, approved, held, none
    _need("message"),
    _need("value_cents", Whole),  # V, before trading
    _need("objective_before_cents", Whole),
    _need("objective_cents", Whole),
    _need("objective", Real),
    _need("bound", Real),
    _need("te_before", Real),
    _need("te_after", Real),
    _need("tax_cents", Whole),
    _need("cost_cents", Whole),
    _need("risk_cents", Whole),
    _need("turnover", Real),
    _need("risk_aversion", Real),
    _need("binding"),  # canonical JSON list of names
    _need("non_trades"),  # canonical JSON list of [security_key, reason, cents]
    Index("ix_plans_account_id", "account_id"),
)
plan_reviews = _table(  # what persons decided about plans; the newest number counts
    "plan_reviews",
    _key("run_id", Text),
    _key("account_id", Text),
    _key("number"),
    _need("verdict"),  # approved or held
    _need("rule"),  # of the review that had held it; empty where none had
    _need("by"),
    _need("recorded_at"),
    _need("reason"),
)
plan_rates = _table(  # of plans decided at the rates of the netting, in millionths
    "plan_rates",
    _key("run_id", Text),
    _key("account_id", Text),
    _need("short_rate_micros", Whole),  # the plan was decided with
    _need("long_rate_micros", Whole),
    _need("after_short_micros", Whole),  # on one more dollar after all plans of the taxpayer
    _need("after_long_micros", Whole),
    _need("rounds", Whole),
)
plan_trades = _table(
    "plan_trades",
    _key("trade_id", Text),
    _need("run_id"),
    _need("account_id"),
    _need("security_key", Whole),
    Column("lot", Whole),  # null for a buy
    _need("quantity_micros", Whole),  # negative = sell
    _need("price_micros", Whole),
    _need("notional_cents", Whole),
    _need("risk_cents", Whole),
    _need("tax_cents", Whole),
    _need("cost_cents", Whole),
    _need("shadow_cents", Whole),  # risk valued at the tracking-error cap's multiplier
    _need("reason"),
    Index("ix_plan_trades_run_id", "run_id", "account_id"),
    Index("ix_plan_trades_account_id", "account_id"),
)
orders = _table(
    "orders",
    _key("order_id", Text),
    _need("run_id"),
    _need("security_key", Whole),
    _need("side"),  # buy or sell
    _need("quantity_micros", Whole),
    _need("position", Whole),  # rotation: order of release
    _need("route"),
    Index("ix_orders_run_id", "run_id"),
)
fills = _table(
    "fills",
    _key("fill_id", Text),
    _need("order_id", Text, ForeignKey("orders.order_id")),
    _need("quantity_micros", Whole),
    _need("price_micros", Whole),
)
allocations = _table(
    "allocations",
    _key("trade_id", Text),
    _need("fill_id", Text, ForeignKey("fills.fill_id")),
    _need("run_id"),
    _need("account_id"),
    _need("quantity_micros", Whole),  # signed as the trade
    _need("notional_cents", Whole),
    _need("fee_cents", Whole),
    Index("ix_allocations_run_id", "run_id", "account_id"),
)

# What happened ---------------------------------------------------------------------------------
account_days = _table(
    "account_days",
    _key("account_key"),
    _key("day", Text),
    _need("value_cents", Whole),
    _need("inflow_cents", Whole),
    _need("outflow_cents", Whole),
)
account_measures = _table(
    "account_measures",
    _key("account_key"),
    _need("day"),
    _need("value_cents", Whole),
    _need("cash_cents", Whole),
    _need("positions", Whole),
    _need("lots", Whole),
    _need("basis_cents", Whole),
    _need("twr", Real),  # since inception
    _need("benchmark_twr", Real),  # over the same days
    _need("tracking_error", Real),
    _need("harvested_year_cents", Whole),
    _need("harvested_total_cents", Whole),
    _need("tax_value_year_cents", Whole),
    _need("short_gain_year_cents", Whole),
    _need("long_gain_year_cents", Whole),
)

# What clients pay: terms, invoices and who gets what; rows are only ever added -------------------
fee_terms = _table(
    "fee_terms",
    _key("kind", Text),  # schedule or agreement
    _key("name", Text),
    _key("version"),
    _need("valid_from"),
    Column("valid_to", Text),
    _need("hash"),  # of the body
    _need("recorded_at"),
    _need("body"),  # canonical JSON
)
billing_runs = _table(
    "billing_runs",
    _key("run_id", Text),
    _need("period"),
    _need("recorded_at"),
    _need("findings"),  # canonical JSON: what the checks said when the run was released
)
invoices = _table(
    "invoices",
    _key("invoice_id", Text),
    _need("run_id", Text, ForeignKey("billing_runs.run_id")),
    _need("kind"),  # fee, refund or reversal
    _need("agreement"),
    _need("agreement_version", Whole),
    _need("agreement_hash"),
    _need("period"),
    _need("service_start"),
    _need("service_end"),
    _need("timing"),
    _need("value_cents", Whole),  # billed value
    _need("excluded_cents", Whole),
    _need("amount_cents", Whole),
    _need("credit_left_cents", Whole),  # carried to the next period
    Column("reversal_of", Text, ForeignKey("invoices.invoice_id")),
    Column("follows", Text, ForeignKey("invoices.invoice_id")),  # refunded or replaced
    UniqueConstraint("reversal_of"),
    Index("ix_invoices_period", "period"),
)
invoice_lines = _table(
    "invoice_lines",
    _key("invoice_id", Text),
    _key("position"),
    _need("account_id"),
    _need("kind"),  # base, discount, flow, minimum, cap, credit, opening, refund
    _need("base_cents", Whole),
    _need("rate_e8", Whole),  # yearly, in hundred-millionths
    _need("days", Whole),
    _need("days_in_period", Whole),
    _need("tier", Whole),  # from 1; 0 where none
    _need("schedule"),
    _need("schedule_version", Whole),
    Column("flow_day", Text),
    _need("amount_cents", Whole),
    _need("sentence"),
    Index("ix_invoice_lines_account_id", "account_id"),
)
fee_ledger = _table(
    "fee_ledger",
    _key("invoice_id", Text),
    _key("account_id", Text),
    _key("payee", Text),
    _need("role"),  # platform, sponsor, advisor or manager
    _need("paying_account_id"),
    _need("service_start"),
    _need("service_end"),
    _need("amount_cents", Whole),
    Index("ix_fee_ledger_account_id", "account_id"),
)
debits = _table(
    "debits",  # instructions to a custodian (B27)
    _key("debit_id", Text),  # the idempotency key
    _need("invoice_id", Text, ForeignKey("invoices.invoice_id")),
    _need("paying_account_id"),
    _need("period"),
    _need("attempt", Whole),
    _need("day"),
    _need("amount_cents", Whole),  # leaves the account; negative comes back
    _need("recorded_at"),
    Index("ix_debits_invoice_id", "invoice_id"),
)
debit_results = _table(
    "debit_results",  # what the custodian made of them; one for each
    Column("debit_id", Text, ForeignKey("debits.debit_id"), primary_key=True, autoincrement=False),
    _need("status"),  # accepted, partial or rejected
    _need("paid_cents", Whole),
    _need("reason"),
    _need("day"),
    _need("recorded_at"),
)

VOLATILE = {("stages", "seconds")}
PLACES = {"market_path"}
