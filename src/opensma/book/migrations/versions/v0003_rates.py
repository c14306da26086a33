"""Which marginal rates a day and its plans used."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

Whole: Any = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Days so far used the rates on file; plans of later days may have rates of their own."""
    op.add_column("runs", sa.Column("rates", sa.Text(), nullable=False, server_default="file"))
    share = sa.Column("carried_share_micros", Whole, nullable=False, server_default="0")
    op.add_column("runs", share)
    op.create_table(
        "plan_rates",
        sa.Column("run_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("short_rate_micros", Whole, nullable=False),
        sa.Column("long_rate_micros", Whole, nullable=False),
        sa.Column("after_short_micros", Whole, nullable=False),
        sa.Column("after_long_micros", Whole, nullable=False),
        sa.Column("rounds", Whole, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "account_id", name=op.f("pk_plan_rates")),
        sqlite_strict=True,
    )
