"""What users may see becomes grants: a role over a scope, between two days."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

Whole: Any = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_SCOPES = {"manager": "program", "advisor": "advisor", "owner": "owner"}


def upgrade() -> None:
    """One grant for what each user saw before, open from the first day on."""
    op.create_table(
        "grants",
        sa.Column("grant_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("scope_id", sa.Text(), nullable=False),
        sa.Column("tax_year", Whole),
        sa.Column("valid_from", sa.Text(), nullable=False),
        sa.Column("valid_to", sa.Text()),
        sa.Column("granted_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name=op.f("fk_grants_user_id_users")
        ),
        sa.PrimaryKeyConstraint("grant_id", name=op.f("pk_grants")),
        sqlite_strict=True,
    )
    op.create_index("ix_grants_user_id", "grants", ["user_id"])
    for role, scope in _SCOPES.items():
        op.get_bind().execute(
            sa.text(
                "INSERT INTO grants (grant_id, user_id, role, scope, scope_id, valid_from,"
                " granted_by) SELECT 'first/' || user_id, user_id, role, :scope, scope_id,"
                " '1970-01-01', 'migration' FROM users WHERE role = :role"
            ),
            {"role": role, "scope": scope},
        )
    op.drop_column("users", "role")
    op.drop_column("users", "scope_id")
