"""Debits of management fees, and what custodians made of them."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

Whole: Any = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add both tables; nothing was collected before."""
    op.create_table(
        "debits",
        sa.Column("debit_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("invoice_id", sa.Text(), nullable=False),
        sa.Column("paying_account_id", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("attempt", Whole, nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("amount_cents", Whole, nullable=False),
        sa.Column("recorded_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["invoice_id"], ["invoices.invoice_id"], name=op.f("fk_debits_invoice_id_invoices")
        ),
        sa.PrimaryKeyConstraint("debit_id", name=op.f("pk_debits")),
        sqlite_strict=True,
    )
    op.create_index("ix_debits_invoice_id", "debits", ["invoice_id"])
    op.create_table(
        "debit_results",
        sa.Column("debit_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("paid_cents", Whole, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["debit_id"], ["debits.debit_id"], name=op.f("fk_debit_results_debit_id_debits")
        ),
        sa.PrimaryKeyConstraint("debit_id", name=op.f("pk_debit_results")),
        sqlite_strict=True,
    )
