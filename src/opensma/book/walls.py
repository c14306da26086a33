"""The second wall on PostgreSQL: row-level security for what a person reads (P22).

A reader's transaction takes a role that owns nothing, and names the user. The policies ask the
grants on file, not the program: rows of taxpayers on whose accounts the user has no grant in force
are not there. Whole households pass, because wash sales join their accounts; what of it a page
shows is the first wall's matter (`visible.py`). Invoices pass with all their lines or not at all.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

from opensma.book.rights import REACHES, RIGHTS, Right

READER = "opensma_reader"
_BY_ACCOUNT = (
    "accounts", "restrictions", "plans", "plan_reviews", "plan_trades", "plan_rates", "allocations",
    "exceptions",
)  # fmt: skip
_BY_KEY = ("journal", "account_days", "account_measures", "account_state")
_BY_TAXPAYER = ("taxpayers", "tax_profiles", "owners")
_BY_INVOICE = ("invoices", "invoice_lines", "fee_ledger", "debits")

_ROLE = f"""
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{READER}') THEN
    CREATE ROLE {READER} NOLOGIN NOBYPASSRLS;
  END IF;
  IF NOT pg_has_role(current_user, '{READER}', 'MEMBER') THEN
    EXECUTE format('GRANT {READER} TO %I', current_user);
  END IF;
END $$
"""
_REACH = """
CREATE OR REPLACE FUNCTION opensma_reach()
RETURNS TABLE (account_id text, account_key bigint, taxpayer_id text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
  WITH given AS (
    SELECT g.scope, g.scope_id FROM grants g
    WHERE g.user_id = current_setting('opensma.user', true)
      AND g.valid_from <= current_setting('opensma.day', true)
      AND (g.valid_to IS NULL OR current_setting('opensma.day', true) <= g.valid_to)
      AND g.scope_id <> ''
      AND (g.role, g.scope) IN (VALUES {pairs})
  ), seen AS (
    SELECT DISTINCT a.taxpayer_id
    FROM accounts a JOIN strategies s ON s.strategy_id = a.strategy_id
    JOIN given g ON g.scope_id = CASE g.scope
      WHEN 'book' THEN g.scope_id
      WHEN 'program' THEN s.program_id
      WHEN 'advisor' THEN a.advisor_id
      WHEN 'taxpayer' THEN a.taxpayer_id
      WHEN 'owner' THEN a.owner_id
      WHEN 'account' THEN a.account_id
    END
  )
  SELECT a.account_id, a.account_key, a.taxpayer_id
  FROM accounts a JOIN seen ON seen.taxpayer_id = a.taxpayer_id
$$
"""
_BILLS = """
CREATE OR REPLACE FUNCTION opensma_bills() RETURNS TABLE (invoice_id text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
  SELECT DISTINCT l.invoice_id FROM invoice_lines l
  WHERE l.account_id IN (SELECT r.account_id FROM opensma_reach() r)
$$
"""


def raise_wall(connection: Connection) -> None:
    """Make the role, the functions and the policies; running it again changes nothing."""
    connection.execute(text(_ROLE))
    connection.execute(text(_REACH.replace("{pairs}", _pairs())))
    connection.execute(text(_BILLS))
    for function in ("opensma_reach()", "opensma_bills()"):
        connection.execute(text(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC"))
        connection.execute(text(f"GRANT EXECUTE ON FUNCTION {function} TO {READER}"))
    connection.execute(
        text(
            f"DO $$ BEGIN EXECUTE format('GRANT USAGE ON SCHEMA %I TO {READER}', current_schema());"
            f" EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO {READER}',"
            " current_schema()); END $$"
        )
    )
    for tables, condition in (
        (_BY_ACCOUNT, "account_id IN (SELECT r.account_id FROM opensma_reach() r)"),
        (_BY_KEY, "account_key IN (SELECT r.account_key FROM opensma_reach() r)"),
        (_BY_TAXPAYER, "taxpayer_id IN (SELECT r.taxpayer_id FROM opensma_reach() r)"),
        (_BY_INVOICE, "invoice_id IN (SELECT b.invoice_id FROM opensma_bills() b)"),
        (("debit_results",), "debit_id IN (SELECT d.debit_id FROM debits d)"),
    ):
        for table in tables:
            _guard(connection, table, condition)


def stand_behind(connection: Connection, user_id: str, day: str) -> None:
    """Until this transaction ends, only what the user's grants of an ISO day reach is there."""
    named = text(
        "SELECT set_config('opensma.user', :user, true), set_config('opensma.day', :day, true)"
    )
    connection.execute(named, {"user": user_id, "day": day})
    connection.execute(text(f"SET LOCAL ROLE {READER}"))


def _guard(connection: Connection, table: str, condition: str) -> None:
    connection.execute(text(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"))
    connection.execute(text(f"DROP POLICY IF EXISTS reader ON {table}"))
    connection.execute(
        text(f"CREATE POLICY reader ON {table} FOR SELECT TO {READER} USING ({condition})")
    )


def _pairs() -> str:
    """Roles with a right on accounts, each with the scopes it may reach."""
    without = {Right.GROWTH}
    return ", ".join(
        f"('{role}', '{scope}')"
        for role in sorted(REACHES)
        if RIGHTS[role] - without
        for scope in sorted(REACHES[role])
    )
