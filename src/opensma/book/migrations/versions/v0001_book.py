"""The first schema: names, facts, one trading day, what happened."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

Whole: Any = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Real: Any = sa.Double().with_variant(sa.REAL(), "sqlite")


def upgrade() -> None:
    """Make every table of the first schema."""
    _account_days()
    _account_measures()
    _account_state()
    _advisors()
    _exceptions()
    _journal()
    _orders()
    _plan_trades()
    _plans()
    _programs()
    _progress()
    _runs()
    _securities()
    _settings()
    _stages()
    _tax_profiles()
    _taxpayers()
    _users()
    _fills()
    _owners()
    _strategies()
    _accounts()
    _allocations()
    _restrictions()


def _account_days() -> None:
    op.create_table(
        "account_days",
        sa.Column("account_key", Whole, autoincrement=False, nullable=False),
        sa.Column("day", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("value_cents", Whole, nullable=False),
        sa.Column("inflow_cents", Whole, nullable=False),
        sa.Column("outflow_cents", Whole, nullable=False),
        sa.PrimaryKeyConstraint("account_key", "day", name=op.f("pk_account_days")),
        sqlite_strict=True,
    )


def _account_measures() -> None:
    op.create_table(
        "account_measures",
        sa.Column("account_key", Whole, autoincrement=False, nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("value_cents", Whole, nullable=False),
        sa.Column("cash_cents", Whole, nullable=False),
        sa.Column("positions", Whole, nullable=False),
        sa.Column("lots", Whole, nullable=False),
        sa.Column("basis_cents", Whole, nullable=False),
        sa.Column("twr", Real, nullable=False),
        sa.Column("benchmark_twr", Real, nullable=False),
        sa.Column("tracking_error", Real, nullable=False),
        sa.Column("harvested_year_cents", Whole, nullable=False),
        sa.Column("harvested_total_cents", Whole, nullable=False),
        sa.Column("tax_value_year_cents", Whole, nullable=False),
        sa.Column("short_gain_year_cents", Whole, nullable=False),
        sa.Column("long_gain_year_cents", Whole, nullable=False),
        sa.PrimaryKeyConstraint("account_key", name=op.f("pk_account_measures")),
        sqlite_strict=True,
    )


def _account_state() -> None:
    op.create_table(
        "account_state",
        sa.Column("account_key", Whole, autoincrement=False, nullable=False),
        sa.Column("seq", Whole, nullable=False),
        sa.Column("head_hash", sa.Text(), nullable=False),
        sa.Column("checksum", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("account_key", name=op.f("pk_account_state")),
        sqlite_strict=True,
    )


def _advisors() -> None:
    op.create_table(
        "advisors",
        sa.Column("advisor_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("firm", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("advisor_id", name=op.f("pk_advisors")),
        sqlite_strict=True,
    )


def _exceptions() -> None:
    op.create_table(
        "exceptions",
        sa.Column("run_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("stage", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("code", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("remedy", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint(
            "run_id", "stage", "account_id", "code", name=op.f("pk_exceptions")
        ),
        sqlite_strict=True,
    )


def _journal() -> None:
    op.create_table(
        "journal",
        sa.Column("account_key", Whole, autoincrement=False, nullable=False),
        sa.Column("seq", Whole, autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("trade_day", sa.Text(), nullable=False),
        sa.Column("settle_day", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("previous_hash", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account_key", "seq", name=op.f("pk_journal")),
        sa.UniqueConstraint("account_key", "source_id", name=op.f("uq_journal_account_key")),
        sqlite_strict=True,
    )


def _orders() -> None:
    op.create_table(
        "orders",
        sa.Column("order_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("security_key", Whole, nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("quantity_micros", Whole, nullable=False),
        sa.Column("position", Whole, nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_orders")),
        sqlite_strict=True,
    )
    op.create_index("ix_orders_run_id", "orders", ["run_id"], unique=False)


def _plan_trades() -> None:
    op.create_table(
        "plan_trades",
        sa.Column("trade_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("security_key", Whole, nullable=False),
        sa.Column("lot", Whole, nullable=True),
        sa.Column("quantity_micros", Whole, nullable=False),
        sa.Column("price_micros", Whole, nullable=False),
        sa.Column("notional_cents", Whole, nullable=False),
        sa.Column("risk_cents", Whole, nullable=False),
        sa.Column("tax_cents", Whole, nullable=False),
        sa.Column("cost_cents", Whole, nullable=False),
        sa.Column("shadow_cents", Whole, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("trade_id", name=op.f("pk_plan_trades")),
        sqlite_strict=True,
    )
    op.create_index("ix_plan_trades_account_id", "plan_trades", ["account_id"], unique=False)
    op.create_index("ix_plan_trades_run_id", "plan_trades", ["run_id", "account_id"], unique=False)


def _plans() -> None:
    op.create_table(
        "plans",
        sa.Column("run_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("review", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("value_cents", Whole, nullable=False),
        sa.Column("objective_before_cents", Whole, nullable=False),
        sa.Column("objective_cents", Whole, nullable=False),
        sa.Column("objective", Real, nullable=False),
        sa.Column("bound", Real, nullable=False),
        sa.Column("te_before", Real, nullable=False),
        sa.Column("te_after", Real, nullable=False),
        sa.Column("tax_cents", Whole, nullable=False),
        sa.Column("cost_cents", Whole, nullable=False),
        sa.Column("risk_cents", Whole, nullable=False),
        sa.Column("turnover", Real, nullable=False),
        sa.Column("risk_aversion", Real, nullable=False),
        sa.Column("binding", sa.Text(), nullable=False),
        sa.Column("non_trades", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "account_id", name=op.f("pk_plans")),
        sqlite_strict=True,
    )
    op.create_index("ix_plans_account_id", "plans", ["account_id"], unique=False)


def _programs() -> None:
    op.create_table(
        "programs",
        sa.Column("program_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("program_id", name=op.f("pk_programs")),
        sqlite_strict=True,
    )


def _progress() -> None:
    op.create_table(
        "progress",
        sa.Column("run_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("stage", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("taxpayer_key", Whole, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "stage", "taxpayer_key", name=op.f("pk_progress")),
        sqlite_strict=True,
    )


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("run_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.Text(), nullable=False),
        sa.Column("market_hash", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_runs")),
        sqlite_strict=True,
    )


def _securities() -> None:
    op.create_table(
        "securities",
        sa.Column("security_key", Whole, autoincrement=False, nullable=False),
        sa.Column("security_id", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sector", sa.Text(), nullable=False),
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("security_key", name=op.f("pk_securities")),
        sa.UniqueConstraint("security_id", name=op.f("uq_securities_security_id")),
        sqlite_strict=True,
    )


def _settings() -> None:
    op.create_table(
        "settings",
        sa.Column("name", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_settings")),
        sqlite_strict=True,
    )


def _stages() -> None:
    op.create_table(
        "stages",
        sa.Column("run_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("position", Whole, autoincrement=False, nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("seconds", Real, nullable=True),
        sa.PrimaryKeyConstraint("run_id", "position", name=op.f("pk_stages")),
        sqlite_strict=True,
    )


def _tax_profiles() -> None:
    op.create_table(
        "tax_profiles",
        sa.Column("taxpayer_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("valid_from", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("taxable_income_cents", Whole, nullable=False),
        sa.Column("short_rate_micros", Whole, nullable=False),
        sa.Column("long_rate_micros", Whole, nullable=False),
        sa.PrimaryKeyConstraint("taxpayer_id", "valid_from", name=op.f("pk_tax_profiles")),
        sqlite_strict=True,
    )


def _taxpayers() -> None:
    op.create_table(
        "taxpayers",
        sa.Column("taxpayer_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("taxpayer_key", Whole, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("filing_status", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("taxpayer_id", name=op.f("pk_taxpayers")),
        sa.UniqueConstraint("taxpayer_key", name=op.f("uq_taxpayers_taxpayer_key")),
        sqlite_strict=True,
    )


def _users() -> None:
    op.create_table(
        "users",
        sa.Column("user_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("scope_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_users")),
        sqlite_strict=True,
    )


def _fills() -> None:
    op.create_table(
        "fills",
        sa.Column("fill_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("quantity_micros", Whole, nullable=False),
        sa.Column("price_micros", Whole, nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.order_id"], name=op.f("fk_fills_order_id")),
        sa.PrimaryKeyConstraint("fill_id", name=op.f("pk_fills")),
        sqlite_strict=True,
    )


def _owners() -> None:
    op.create_table(
        "owners",
        sa.Column("owner_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("taxpayer_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["taxpayer_id"], ["taxpayers.taxpayer_id"], name=op.f("fk_owners_taxpayer_id")
        ),
        sa.PrimaryKeyConstraint("owner_id", name=op.f("pk_owners")),
        sqlite_strict=True,
    )


def _strategies() -> None:
    op.create_table(
        "strategies",
        sa.Column("strategy_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("benchmark_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["program_id"], ["programs.program_id"], name=op.f("fk_strategies_program_id")
        ),
        sa.PrimaryKeyConstraint("strategy_id", name=op.f("pk_strategies")),
        sqlite_strict=True,
    )


def _accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("account_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("account_key", Whole, nullable=False),
        sa.Column("taxpayer_id", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("strategy_id", sa.Text(), nullable=False),
        sa.Column("advisor_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("registration", sa.Text(), nullable=False),
        sa.Column("custodian", sa.Text(), nullable=False),
        sa.Column("opened", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("whole_shares", Whole, nullable=False),
        sa.Column("risk_aversion_micros", Whole, nullable=True),
        sa.Column("te_cap_bps", Whole, nullable=True),
        sa.Column("cash_low_bps", Whole, nullable=False),
        sa.Column("cash_high_bps", Whole, nullable=False),
        sa.Column("min_trade_cents", Whole, nullable=False),
        sa.ForeignKeyConstraint(
            ["advisor_id"], ["advisors.advisor_id"], name=op.f("fk_accounts_advisor_id")
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["owners.owner_id"], name=op.f("fk_accounts_owner_id")
        ),
        sa.ForeignKeyConstraint(
            ["strategy_id"], ["strategies.strategy_id"], name=op.f("fk_accounts_strategy_id")
        ),
        sa.ForeignKeyConstraint(
            ["taxpayer_id"], ["taxpayers.taxpayer_id"], name=op.f("fk_accounts_taxpayer_id")
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("account_key", name=op.f("uq_accounts_account_key")),
        sqlite_strict=True,
    )
    op.create_index("ix_accounts_taxpayer_id", "accounts", ["taxpayer_id"], unique=False)


def _allocations() -> None:
    op.create_table(
        "allocations",
        sa.Column("trade_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("fill_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("quantity_micros", Whole, nullable=False),
        sa.Column("notional_cents", Whole, nullable=False),
        sa.Column("fee_cents", Whole, nullable=False),
        sa.ForeignKeyConstraint(
            ["fill_id"], ["fills.fill_id"], name=op.f("fk_allocations_fill_id")
        ),
        sa.PrimaryKeyConstraint("trade_id", name=op.f("pk_allocations")),
        sqlite_strict=True,
    )
    op.create_index("ix_allocations_run_id", "allocations", ["run_id", "account_id"], unique=False)


def _restrictions() -> None:
    op.create_table(
        "restrictions",
        sa.Column("restriction_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("scope_key", sa.Text(), nullable=False),
        sa.Column("value_bps", Whole, nullable=True),
        sa.Column("valid_from", sa.Text(), nullable=False),
        sa.Column("valid_to", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.account_id"], name=op.f("fk_restrictions_account_id")
        ),
        sa.PrimaryKeyConstraint("restriction_id", name=op.f("pk_restrictions")),
        sqlite_strict=True,
    )
    op.create_index("ix_restrictions_account_id", "restrictions", ["account_id"], unique=False)
