"""Fees: terms, billing runs, invoices with their lines, and what each payee gets."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

Whole: Any = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the tables of billing."""
    _fee_terms()
    _billing_runs()
    _invoices()
    _invoice_lines()
    _fee_ledger()


def _fee_terms() -> None:
    op.create_table(
        "fee_terms",
        sa.Column("kind", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("version", Whole, autoincrement=False, nullable=False),
        sa.Column("valid_from", sa.Text(), nullable=False),
        sa.Column("valid_to", sa.Text(), nullable=True),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", "version", name=op.f("pk_fee_terms")),
        sqlite_strict=True,
    )


def _billing_runs() -> None:
    op.create_table(
        "billing_runs",
        sa.Column("run_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.Text(), nullable=False),
        sa.Column("findings", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_billing_runs")),
        sqlite_strict=True,
    )


def _invoices() -> None:
    op.create_table(
        "invoices",
        sa.Column("invoice_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("agreement", sa.Text(), nullable=False),
        sa.Column("agreement_version", Whole, nullable=False),
        sa.Column("agreement_hash", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("service_start", sa.Text(), nullable=False),
        sa.Column("service_end", sa.Text(), nullable=False),
        sa.Column("timing", sa.Text(), nullable=False),
        sa.Column("value_cents", Whole, nullable=False),
        sa.Column("excluded_cents", Whole, nullable=False),
        sa.Column("amount_cents", Whole, nullable=False),
        sa.Column("credit_left_cents", Whole, nullable=False),
        sa.Column("reversal_of", sa.Text(), nullable=True),
        sa.Column("follows", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("invoice_id", name=op.f("pk_invoices")),
        sa.ForeignKeyConstraint(
            ["run_id"], ["billing_runs.run_id"], name=op.f("fk_invoices_run_id")
        ),
        sa.ForeignKeyConstraint(
            ["reversal_of"], ["invoices.invoice_id"], name=op.f("fk_invoices_reversal_of")
        ),
        sa.ForeignKeyConstraint(
            ["follows"], ["invoices.invoice_id"], name=op.f("fk_invoices_follows")
        ),
        sa.UniqueConstraint("reversal_of", name=op.f("uq_invoices_reversal_of")),
        sqlite_strict=True,
    )
    op.create_index("ix_invoices_period", "invoices", ["period"])


def _invoice_lines() -> None:
    op.create_table(
        "invoice_lines",
        sa.Column("invoice_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("position", Whole, autoincrement=False, nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("base_cents", Whole, nullable=False),
        sa.Column("rate_e8", Whole, nullable=False),
        sa.Column("days", Whole, nullable=False),
        sa.Column("days_in_period", Whole, nullable=False),
        sa.Column("tier", Whole, nullable=False),
        sa.Column("schedule", sa.Text(), nullable=False),
        sa.Column("schedule_version", Whole, nullable=False),
        sa.Column("flow_day", sa.Text(), nullable=True),
        sa.Column("amount_cents", Whole, nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("invoice_id", "position", name=op.f("pk_invoice_lines")),
        sqlite_strict=True,
    )
    op.create_index("ix_invoice_lines_account_id", "invoice_lines", ["account_id"])


def _fee_ledger() -> None:
    op.create_table(
        "fee_ledger",
        sa.Column("invoice_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("payee", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("paying_account_id", sa.Text(), nullable=False),
        sa.Column("service_start", sa.Text(), nullable=False),
        sa.Column("service_end", sa.Text(), nullable=False),
        sa.Column("amount_cents", Whole, nullable=False),
        sa.PrimaryKeyConstraint("invoice_id", "account_id", "payee", name=op.f("pk_fee_ledger")),
        sqlite_strict=True,
    )
    op.create_index("ix_fee_ledger_account_id", "fee_ledger", ["account_id"])
