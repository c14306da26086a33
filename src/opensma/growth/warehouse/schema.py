"""Tables of the growth warehouse: what is loaded, what the core publishes, what is derived.

Money is integer cents, times are UTC, rows are only added (`valid_from`/`valid_to`, or
`recorded_at`), weights are integers of a billionth that sum to a billion.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

BILLION = 1_000_000_000
UNATTRIBUTED = "(unattributed)"
FAR_DAY = "9999-12-31"


class Kind(Enum):
    """Type of a column, by its name in DuckDB."""

    TEXT = "VARCHAR"
    WHOLE = "BIGINT"
    DAY = "DATE"
    TIME = "TIMESTAMP"
    REAL = "DOUBLE"
    FLAG = "BOOLEAN"


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `legal` lists the values it may have, empty for any."""

    name: str
    kind: Kind
    needed: bool
    legal: tuple[str, ...] = ()
    free_text: bool = False  # people write here: personal data is masked on the way in (P1)


@dataclass(frozen=True, slots=True)
class Table:
    """One table with its key; `loaded` tables come from files."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    loaded: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """Columns in their order."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """A column by its name."""
        return next(column for column in self.columns if column.name == name)


CHANNELS = (
    "ai_assistant", "conference", "direct", "display", "email", "organic_search",
    "organic_social", "other_campaign", "paid_search", "paid_social", "platform", "referral",
    "referral_partner", "rfp", "webinar", "wholesaler",
)  # fmt: skip
SPEND_KINDS = ("media", "event", "people", "tech", "platform_fee", "promoter")
STAGES = ("targeted", "meeting", "proposal", "approved", "opened", "funded", "won", "lost")
LAWFUL = ("granted", "legitimate_interest", "contract")
CONSENT = (*LAWFUL, "denied", "withdrawn", "unknown")

# What may be on record about an ad: what stands in it, and what is kept beside it (AD rules).
AD_FACTS = (
    "audience_fee_bps", "audience_size", "characteristic", "characteristic_labelled_gross",
    "characteristic_total_as_prominent", "compensation_terms", "composite_inception",
    "disclosure_font_px", "disclosure_placement", "disclosure_weight", "endorser_client",
    "endorser_conflicts", "endorser_paid", "extract_labelled_gross", "extract_total_as_prominent",
    "extracted_performance", "finra_filing", "fiscal_year_end", "gips_benchmark", "gips_claim",
    "gips_compliance_sentence", "gips_currency", "gips_fee_basis", "gips_firm_definition",
    "gips_how_to_get_report", "gips_periods", "gips_trademark_sentence",
    "hypothetical_assumptions", "hypothetical_audience", "hypothetical_criteria",
    "hypothetical_policy", "hypothetical_risks", "ineligible_check", "ineligible_person",
    "interactive_tool", "model_fee_disclosed", "oral_live", "predecessor_all_included",
    "predecessor_disclosed", "predecessor_performance", "predecessor_same_people",
    "predecessor_similar_accounts", "private_fund", "projection", "projection_exception",
    "promoter_agreement", "promoter_paid_c", "promoter_payee_id", "rating_date", "rating_pay",
    "rating_period", "rating_provider", "rating_questionnaire", "regulatory_notice",
    "related_all_bps", "related_performance", "related_shown_bps", "retail_investors",
    "specific_advice", "sro_complied", "sro_not_barred", "sro_only_reason", "substantiation",
    "testimonial_font_px", "testimonial_weight", "tool_hypothetical", "tool_method",
    "tool_results_vary", "tool_universe",
)  # fmt: skip

_TYPES = {
    "t": (Kind.TEXT, False), "w": (Kind.WHOLE, False), "d": (Kind.DAY, False),
    "s": (Kind.TIME, False), "r": (Kind.REAL, False), "b": (Kind.FLAG, False),
    "f": (Kind.TEXT, True),
}  # fmt: skip


def _table(
    name: str, spec: str, key: str, *, loaded: bool = True, **legal: tuple[str, ...]
) -> Table:
    """A table from `name:type` words; a `?` after the type allows nothing to be there."""
    columns = []
    for word in spec.split():
        label, mark = word.split(":")
        kind, free = _TYPES[mark[0]]
        columns.append(Column(label, kind, not mark.endswith("?"), legal.get(label, ()), free))
    return Table(name, tuple(columns), tuple(key.split()), loaded)


LOADED = (
    _table("firm", "firm_id:t parent_firm_id:t? crd:t? kind:t domain:t? valid_from:d valid_to:d?",
           "firm_id valid_from",
           kind=("ria", "bd", "wirehouse", "tamp", "family_office", "platform")),
    _table("person", "person_id:t firm_id:t? office_id:t? crd:t? role:t consent_state:t "
           "valid_from:d valid_to:d?", "person_id valid_from",
           role=("advisor", "gatekeeper", "investor", "wholesaler"), consent_state=CONSENT),
    _table("office", "office_id:t firm_id:t? territory:t valid_from:d valid_to:d?",
           "office_id valid_from"),
    _table("consent", "person_id:t purpose:t state:t source:f ts:s", "person_id purpose ts",
           purpose=("analytics", "ads"), state=CONSENT),
    _table("alias", "id_type:t id_value:t person_id:t? firm_id:t? confidence:t basis:f "
           "recorded_at:s", "id_type id_value person_id firm_id recorded_at",
           id_type=("email_hmac", "email_domain", "crm", "crd", "rep_code", "platform_advisor",
                    "cookie"),
           confidence=("verified", "declared", "imported")),
    _table("touch", "touch_id:t ts:s person_id:t? firm_id:t? channel:t source:f? campaign_id:t? "
           "ad_id:t? kind:t evidence:f? rule:t? rules_version:t?", "touch_id", channel=CHANNELS),
    _table("spend", "spend_id:t date:d channel:t campaign_id:t? kind:t amount_c:w gl_ref:t? "
           "payee_id:t? territory:t? impressions:w?", "spend_id", channel=CHANNELS,
           kind=SPEND_KINDS),
    _table("opportunity", "opp_id:t firm_id:t? office_id:t? strategy_id:t? platform_id:t? "
           "opened_at:s", "opp_id"),
    _table("stage_event", "opp_id:t stage:t ts:s source_system:t?", "opp_id stage ts",
           stage=STAGES),
    _table("gate", "firm_id:t platform_id:t strategy_id:t status:t ts:s cost_c:w?",
           "firm_id platform_id strategy_id status ts",
           status=("requested", "approved", "declined", "withdrawn")),
    _table("account_link", "account_id:t firm_id:t? person_id:t opp_id:t? platform_id:t? "
           "split_bps:w valid_from:d valid_to:d? basis:f", "account_id person_id valid_from"),
    _table("acquisition", "account_id:t acquired_on:d basis:f", "account_id"),
    _table("experiment", "exp_id:t unit_kind:t arms:t weights:t salt:t start:d primary_metric:t "
           "guardrails:t? effect:r? effect_low:r? effect_high:r? p_value:r? channel:t?", "exp_id",
           unit_kind=("firm", "office", "territory"), channel=CHANNELS),
    _table("assignment", "exp_id:t unit_id:t arm:t assigned_at:s", "exp_id unit_id"),
    _table("ad", "ad_id:t version:w sha256:t audience:t contains_performance:b "
           "contains_hypothetical:b contains_testimonial:b contains_rating:b first_use:d "
           "last_use:d? approver:t? retention_until:d?", "ad_id version",
           audience=("institutional", "retail", "both")),
    _table("ad_figure", "ad_id:t version:w composite_id:t from:d to:d basis:t fee_bps:w? value:r "
           "font_px:w? weight:w? contrast:r?", "ad_id version composite_id from to basis",
           basis=("gross", "net", "model_net")),
    _table("ad_fact", "ad_id:t version:w fact:t value:f owner:t? sha256:t? recorded_on:d",
           "ad_id version fact", fact=AD_FACTS),
    _table("ad_check", "ad_id:t version:w rule_id:t rule_version:t result:t detail:f? "
           "checked_at:s", "ad_id version rule_id rule_version checked_at",
           result=("finding", "no_finding", "not_applicable", "needs_human")),
)  # fmt: skip

CORE = (
    _table("account", "account_id:t firm_id:t? advisor_id:t? strategy_id:t? segment:t? opened:d "
           "closed:d?", "account_id", loaded=False),
    _table("account_month", "account_id:t month:d beg_c:w flow_c:w mkt_c:w end_c:w internal_c:w?",
           "account_id month", loaded=False),
    _table("fee_ledger", "line_id:t account_id:t period:t kind:t amount_c:w platform_share_c:w "
           "reversal_of:t? period_start:d period_end:d", "line_id", loaded=False),
)  # fmt: skip

DERIVED = (
    _table("person_of", "record_id:t person_id:t", "record_id", loaded=False),
    _table("alias_conflict", "id_type:t id_value:t kept:t refused:t kept_basis:t "
           "refused_basis:t reason:t recorded_at:s", "id_type id_value kept refused",
           loaded=False),
    _table("event", "event_id:t account_id:t group_id:t firm_id:t? kind:t ts:s previous_ts:s? "
           "month:d amount_c:w", "event_id", loaded=False),
    _table("journey", "event_id:t touch_id:t position:w touches:w channel:t campaign_id:t? "
           "person_id:t? days_before:w", "event_id touch_id", loaded=False),
    _table("credit", "event_id:t touch_id:t model:t model_version:t weight:w as_of:d",
           "event_id touch_id model", loaded=False),
    _table("line_part", "line_id:t person_id:t tranche:d event_id:t amount_c:w "
           "platform_share_c:w", "line_id person_id tranche", loaded=False),
    _table("revenue", "model:t line_id:t person_id:t tranche:d event_id:t touch_id:t amount_c:w "
           "platform_share_c:w", "model line_id person_id tranche event_id touch_id",
           loaded=False),
    _table("null_journey", "group_id:t touches:w last_ts:s state:t", "group_id", loaded=False),
    _table("close", "period:t sequence:w inputs_sha256:t outputs_sha256:t closed_at:s "
           "difference:t figures:t", "period sequence", loaded=False),
    _table("setting", "name:t value:t", "name", loaded=False),
)  # fmt: skip

# What first-party events bring besides their touch: consent as given, and what people say (P2).
RECEIVED = (
    _table("event_batch", "idempotency_key:t sha256:t touches:w internal:w received_at:s",
           "idempotency_key", loaded=False),
    _table("capture", "touch_id:t email_hmac:t? purpose:t state:t source:f self_reported:f? "
           "variant:t? ts:s", "touch_id", loaded=False),
)  # fmt: skip

TABLES = (*LOADED, *CORE, *DERIVED, *RECEIVED)


def table_named(name: str) -> Table | None:
    """A table of the warehouse, or None."""
    return next((table for table in TABLES if table.name == name), None)


def add_sql(table: Table, column: Column) -> str:
    """ALTER TABLE for a column that came later; such columns stand last and may be empty."""
    return f'ALTER TABLE "{table.name}" ADD COLUMN "{column.name}" {column.kind.value}'


def create_sql(table: Table, name: str | None = None) -> str:
    """CREATE TABLE; keys are checked by the loader, so that every refusal has a name."""
    columns = ", ".join(
        f'"{c.name}" {c.kind.value}{" NOT NULL" if c.needed else ""}' for c in table.columns
    )
    return f'CREATE TABLE IF NOT EXISTS "{name or table.name}" ({columns})'
