"""The CFO pack: what growth cost, what it was billed, and that it ties. One page and its tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from opensma.growth import pack_data as data
from opensma.growth.economics import AcquisitionCost, Bridge, acquisition_cost, over
from opensma.growth.journeys import MODELS
from opensma.growth.pack_page import Figure, Page, Section, page_html
from opensma.growth.pack_pdf import pack_pdf
from opensma.growth.pack_revenue import SMALL_N, Revenue, channel_revenue, share_tables
from opensma.growth.pack_tables import DASH, MINUS, Cell, Column, Table, columns, sums
from opensma.growth.pack_value import closure, segment_values
from opensma.growth.ties import Check, broken, tie_checks
from opensma.growth.warehouse.schema import UNATTRIBUTED
from opensma.growth.warehouse.store import setting
from opensma.report.documents.render import installed

if TYPE_CHECKING:
    from opensma.growth.warehouse.store import Connection

CAUSE = (
    "Credit divides what was billed among what was touched; it does not say what caused it. "
    "Tested effects stand beside it and are never merged into it."
)


@dataclass(frozen=True, slots=True)
class Pack:
    """The pack, and the checks that it stands on."""

    page: Page
    tables: tuple[Table, ...]
    checks: tuple[Check, ...]

    def write(self, folder: Path) -> list[Path]:
        """One HTML file, the same as PDF where Typst is installed, and a CSV of every table.

        Where anything does not tie there is no pack: only the table of the differences.
        """
        folder.mkdir(parents=True, exist_ok=True)
        if broken(self.checks):
            return [table.write(folder) for table in self.tables if table.name == "ties"]
        made = [folder / "growth.html"]
        made[0].write_text(page_html(self.page), encoding="utf-8")
        if installed():
            made.append(folder / "growth.pdf")
            made[1].write_bytes(pack_pdf(self.page))
        return [*made, *(table.write(folder) for table in self.tables)]


@dataclass(frozen=True, slots=True)
class _Facts:
    """Everything that the sections read, once."""

    revenue: Revenue
    months: list[tuple[date, Bridge]]
    groups: data.Groups
    spend: list[dict[str, object]]
    cohorts: list[data.Cohort]
    by_channel: list[tuple[str, AcquisitionCost]]
    by_campaign: list[tuple[str, AcquisitionCost]]
    small: set[str]  # channels without a cell of their own (P5)
    checks: list[Check]
    coverage: dict[str, int]


def make_pack(connection: Connection, options: data.Options) -> Pack:
    """Read the warehouse and put the pack together; InputError where nothing is published."""
    checks = tie_checks(connection)
    groups = data.new_groups(connection, options.model)
    spend = data.spend_rows(connection)
    small = data.small_cells(connection, "channel")
    facts = _Facts(
        channel_revenue(connection, small),
        data.month_bridges(connection),
        groups,
        spend,
        data.cohorts(connection, groups, spend, options),
        data.cost_by(groups, spend, 0, "channel", small),
        data.cost_by(groups, spend, 1, "campaign_id", data.small_cells(connection, "campaign_id")),
        small,
        checks,
        data.coverage(connection),
    )
    sections = (
        _bridge_section(connection, facts),
        _revenue_section(connection, facts),
        _tested_section(connection, facts),
        _cost_section(connection, facts, options),
        _cohort_section(facts, options),
        _funnel_section(connection),
        _tie_section(facts),
        _coverage_section(connection, facts, options),
    )
    as_of = setting(connection, "as_of")
    page = Page("Growth: won, kept, paid for", as_of, CAUSE, _figures(facts), sections)
    tables = tuple(table for section in sections for table in section.tables)
    return Pack(page, (*tables, _tie_rows(facts.checks)), tuple(checks))


def _figures(facts: _Facts) -> tuple[Figure, ...]:
    total = over([bridge for _, bridge in facts.months])
    last_year = data.year_bridges(facts.months)[-1]
    net = facts.revenue.net(MODELS[0])
    billed = sum(net.values())
    all_cost = _whole_cost(facts)
    back = [c.payback for c in facts.cohorts if c.payback is not None]
    paid = f"{len(back)} of {len(facts.cohorts)}"
    bad = len(broken(facts.checks))
    return (
        Figure("Assets", _millions(total.end_c), f"{len(facts.groups.starts):,} groups won"),
        Figure(f"Organic growth {last_year[0]}", _percent(last_year[1].organic_growth),
               "net flows over begin, ex-market"),
        Figure("Net revenue billed", _millions(billed), "gross less platform share, all periods"),
        Figure("Cost of a new group", _dollars(all_cost.cac_c) if facts.spend else DASH,
               f"fully loaded; {_dollars(all_cost.hard_dollar_cac_c)} without people"
               if facts.spend else "no spend is on record"),
        Figure("Cohorts paid back", paid, "cumulative margin covers their cost"),
        Figure("Unattributed", _percent(_unattributed(net)), "of net revenue"),
        Figure("Ties", f"{len(facts.checks):,}", f"checks, {bad} with a difference", good=not bad),
    )  # fmt: skip


def _unattributed(net: dict[str, int]) -> float:
    return net.get(UNATTRIBUTED, 0) / (sum(net.values()) or 1)


def _whole_cost(facts: _Facts) -> AcquisitionCost:
    kinds: dict[str, int] = {}
    for row in facts.spend:
        kinds[str(row["kind"])] = kinds.get(str(row["kind"]), 0) + int(str(row["amount_c"]))
    total = over([bridge for _, bridge in facts.months])
    return acquisition_cost(kinds, len(facts.groups.starts), total.organic_c)


# --- sections ------------------------------------------------------------------------------------


def _bridge_section(connection: Connection, facts: _Facts) -> Section:
    from opensma.growth.pack_charts import bridge_chart

    years = data.year_bridges(facts.months)
    table = Table(
        "aum_bridge", "Assets, begin to end, by year", columns("Year:text", *_BRIDGE),
        tuple((str(year), *_bridge_cells(b)) for year, b in years),
        "What moved between accounts of one owner is no flow. Books that were bought are a line of "
        "their own.",
    )  # fmt: skip
    monthly = Table(
        "aum_bridge_months", "Assets by month", columns("Month:text", *_BRIDGE),
        tuple((f"{month:%Y-%m}", *_bridge_cells(b)) for month, b in facts.months),
    )  # fmt: skip
    year, last = years[-1]
    caption = f"How assets moved in {year}"
    chart = (caption, bridge_chart(last, caption))
    tables = (table, _retention_table(connection, years), monthly)
    return Section("Assets", tables, (chart,), hidden=("aum_bridge_months",))


_BRIDGE = ("Begin:cents", "New:cents", "Expansion:cents", "Contraction:cents", "Lost:cents",
           "Acquired:cents", "Market:cents", "End:cents")  # fmt: skip


def _bridge_cells(b: Bridge) -> tuple[int, ...]:
    return (b.begin_c, b.new_c, b.expansion_c, b.contraction_c, b.lost_c, b.acquired_c,
            b.market_c, b.end_c)  # fmt: skip


def _retention_table(connection: Connection, years: Sequence[tuple[int, Bridge]]) -> Table:
    impact = {year: cents for year, _, cents in data.revenue_impact(connection)}
    logos = {year: (n, kept) for year, n, kept in data.logo_retention(connection)}
    rows: list[tuple[Cell, ...]] = []
    for year, b in years:
        begun, kept = logos.get(year, (0, 0))
        rows.append(
            (str(year), b.gross_retention, b.net_retention, kept / begun if begun else None,
             b.organic_growth, b.organic_c, impact.get(year))
        )  # fmt: skip
    return Table(
        "retention", "What was kept, what grew, and what it means for revenue",
        columns("Year:text", "Gross retention:share", "Net retention:share",
                "Groups kept:share", "Organic growth:share", "Net flows:cents",
                "Yearly revenue of flows:cents"), tuple(rows),
        "Retention and organic growth are ex-market and over the year's begin, without books that "
        "were bought; groups kept are those with assets at both ends. Yearly revenue: all flows, "
        "those of bought books too, at the yearly rate of the account's own fee lines, net of the "
        "platform's share (E2): it says what assets alone may hide.",
    )  # fmt: skip


def _revenue_section(connection: Connection, facts: _Facts) -> Section:
    from opensma.growth.pack_charts import spread_chart

    revenue = facts.revenue
    n = len(facts.groups.starts)
    channels = revenue.channels
    if n < SMALL_N:  # N2: no ranking, not even by the order of rows
        channels = sorted(channels, key=lambda c: (c.startswith(("(", "platform:")), c))
    nets = {model: revenue.net(model) for model in MODELS}
    rows: list[tuple[Cell, ...]] = [(c, *(nets[m].get(c, 0) for m in MODELS)) for c in channels]
    totals = sums(rows, range(1, len(MODELS) + 1))
    rows.append(("Billed, net", *totals.values()))
    table = Table(
        "revenue_by_channel", "Net revenue billed, by channel under every model",
        columns("Channel:channel", *(f"Model|{m}:cents!" for m in MODELS)), tuple(rows),
        "Every column sums to what was billed. Markov: absorbing chain, removal to null, "
        "normalised inside each journey.",
        total=True,
    )  # fmt: skip
    caption = "Share of net revenue by channel; one mark for each model, the line is the spread"
    chart = (caption, spread_chart(revenue.shares(), channels, caption))
    sure, everything = share_tables(revenue, channels, n)
    return Section(
        "Revenue by channel", (sure, table, _billed_table(connection), everything), (chart,),
        hidden=(everything.name,),
    )  # fmt: skip


def _billed_table(connection: Connection) -> Table:
    """What the ledger says, year by year, before anybody divides it (R1, R2)."""
    rows = tuple(
        (str(r["year"]), r["lines"], r["gross"], r["reversed"], r["share"], r["gross"] - r["share"])
        for r in data.billed_years(connection)
    )
    return Table(
        "billed_by_year", "As billed, by year of the period's end",
        columns("Year:text", "Lines:count", "Gross:exact", "Of it taken back:exact",
                "Platform share:exact", "Net:exact"), rows,
    )  # fmt: skip


def _tested_section(connection: Connection, facts: _Facts) -> Section:
    shares = facts.revenue.shares()
    rows = []
    for test in data.tested(connection):
        by_model = [shares[m].get(test["channel"], 0.0) for m in MODELS]
        rows.append(
            (test["exp_id"], test["channel"], test["primary_metric"], test["units"], test["effect"],
             test["effect_low"], test["effect_high"], test["p_value"], min(by_model),
             max(by_model))
        )  # fmt: skip
    table = Table(
        "tested_effects", "What experiments found, beside what models credit",
        columns("Experiment:text", "Channel:channel", "Metric:text", "Units:count",
                "Tested|Effect:points", "Tested|Low:points", "Tested|High:points",
                "Tested|p:p", "Credited share|Least:share", "Credited share|Most:share"),
        tuple(rows),
        "Effects are points of the metric with their interval. An interval around zero says that "
        "the test found nothing, however much credit the channel has (E9)."
        if rows else "No experiment has a result on record: nothing here is known to be causal.",
    )  # fmt: skip
    return Section("Tested effects", (table,), ())


def _cost_columns(first: str) -> tuple[Column, ...]:
    kind = "channel" if first == "Channel" else "text"
    return columns(f"{first}:{kind}", "Spend:cents", "Credited groups:number",
                   "Cost per group:cents", "Without people:cents", "People:share")  # fmt: skip


def _cost_row(name: str, cost: AcquisitionCost) -> tuple[Cell, ...]:
    enough = cost.new_groups >= 1
    full, cash = (cost.cac_c, cost.hard_dollar_cac_c) if enough else (None, None)
    return (name, cost.spend_c, cost.new_groups, None if full is None else round(full),
            None if cash is None else round(cash), cost.people_share)  # fmt: skip


def _per_dollar(whole: AcquisitionCost) -> str:
    """E3: what a dollar of net flows cost, where there are any."""
    rate = whole.per_net_new_dollar
    if rate is None or not whole.spend_c:
        return ""
    return f" All spend is {rate * 100:.2f} cents for each net new dollar of assets."


def _cost_section(connection: Connection, facts: _Facts, options: data.Options) -> Section:
    by_segment = data.cost_by_segment(facts.groups, facts.by_channel, facts.small)
    whole = _whole_cost(facts)
    channel = Table(
        "cac_by_channel", "By channel", _cost_columns("Channel"),
        (*(_cost_row(*row) for row in facts.by_channel), _cost_row("All", whole)),
        f"Groups are credited by the {options.model} model at their first funding; the last row "
        "divides all spend by all new groups, credited or not. A dash: less than one group is "
        "credited. Under ten credited groups a cost is an anecdote. Groups that came with a bought "
        f"book are left out.{_per_dollar(whole)}", total=True,
    )  # fmt: skip
    campaign = Table(
        "cac_by_campaign", "By campaign, the dearest first", _cost_columns("Campaign"),
        tuple(_cost_row(*row) for row in facts.by_campaign), shown=12,
    )  # fmt: skip
    segment = Table(
        "cac_by_segment", "By size of the first funding", _cost_columns("Segment"),
        tuple(_cost_row(*row) for row in by_segment),
        "A group bears the cost per credited group of its channels, by its weights; spend of "
        "channels that no funded group met is in the channel table only.",
    )  # fmt: skip
    value = _value_table(connection, by_segment, options)
    return Section("Cost and value of a group", (channel, segment, value, campaign), ())


def _value_table(
    connection: Connection, costs: Sequence[tuple[str, AcquisitionCost]], options: data.Options
) -> Table:
    """LTV:CAC: what was billed stands apart from what is modelled."""
    rows = tuple(
        (v.segment, v.groups, v.assets_c, v.net_year_c, v.margin_c, v.value_c - v.margin_c,
         v.value_c, v.cost_c, v.to_cost)
        for v in segment_values(connection, costs, options.discount)
    )  # fmt: skip
    left = closure(connection)
    seen = (
        f"{left.closed:,} closures in {left.account_months:,} account-months"
        if left.closed
        else f"no closure in {left.account_months:,} account-months, so the 95 % upper bound"
    )
    return Table(
        "ltv_to_cac", "Lifetime value over cost, by size of the first funding",
        columns("Segment:text", "Groups:count", "Assets:cents", "Net fees a year:cents",
                "Value|billed:cents", "Value|modelled:cents", "Value|both:cents", "Cost:cents",
                "LTV:CAC:times"), rows,
        "Modelled is no revenue: net fees at today's value and each account's own rate, ex-market, "
        f"closing at {left.monthly * 100:.3f} % a month ({seen}), discounted at "
        f"{options.discount * 100:g} % a year over 30 years (V6).",
    )  # fmt: skip


def _cohort_section(facts: _Facts, options: data.Options) -> Section:
    from opensma.growth.pack_charts import cohort_chart

    rows: list[tuple[Cell, ...]] = [
        (_quarter(c.quarter), c.groups, c.cost.spend_c if c.cost else None,
         round(c.cost.cac_c or 0) if c.cost else None, c.margin_to_date_c,
         c.ltv_to_cac, c.payback, c.months)
        for c in facts.cohorts
    ]  # fmt: skip
    lag = facts.groups.lag_months
    table = Table(
        "cohorts", "By quarter of the first funding",
        columns("Cohort:text", "Groups:count", "Spend:cents", "Cost per group:cents",
                "Margin to date:cents", "Margin over cost:times", "Payback month:count",
                "Months observed:count"),
        tuple(rows),
        f"Spend is that of the quarter {lag} months earlier, the median sales cycle. Margin: "
        f"billed less platform share less servicing of ${options.servicing_c / 100:,.2f} an "
        "account and month. A dash: not paid back yet; nothing is forecast (E4).",
    )  # fmt: skip
    caption = "Cumulative billed margin of a group, by year of its first funding"
    chart = (caption, cohort_chart(_lines(facts.cohorts), caption))
    return Section("Cohorts", (table, _cohort_grid(facts.cohorts)), (chart,))


def _cohort_grid(cohorts: Sequence[data.Cohort]) -> Table:
    """Cumulative gross revenue over half-years since the quarter began."""
    last = max((c.months for c in cohorts), default=0)
    steps = list(range(6, last + 1, 6))
    rows = []
    for cohort in cohorts:
        values = [
            sum(v for n, v in cohort.revenue_c.items() if n <= step)
            if cohort.months >= step else None
            for step in steps
        ]  # fmt: skip
        rows.append((_quarter(cohort.quarter), *values))
    return Table(
        "cohort_revenue", "Billed revenue since funding, gross, cumulative, by months",
        columns("Cohort:text", *(f"Months|{step}:cents!" for step in steps)), tuple(rows),
    )  # fmt: skip


def _lines(cohorts: Sequence[data.Cohort]) -> list[tuple[str, list[tuple[int, float]]]]:
    """Margin of a group by year; a month is drawn while every quarter of the year is observed."""
    years: dict[int, list[data.Cohort]] = {}
    for cohort in cohorts:
        years.setdefault(cohort.quarter.year, []).append(cohort)
    lines = []
    for year, some in sorted(years.items()):
        groups = sum(c.groups for c in some)
        total, points = 0, [(0, 0.0)]
        for month in range(1, min(c.months for c in some) + 1):
            total += sum(c.margin_c.get(month, 0) for c in some)
            points.append((month, round(total / groups / 100, 2)))
        if len(points) > 1:
            lines.append((str(year), points))
    return lines


def _funnel_section(connection: Connection) -> Section:
    order = {name: i for i, name in enumerate(("meeting", "proposal", "approved", "opened",
                                                "funded", "won", "lost"))}  # fmt: skip
    found = sorted(data.stages(connection), key=lambda r: order.get(r["stage"], -1))
    first = max((int(r["n"]) for r in found), default=0)
    rows = tuple((r["stage"], r["n"], r["n"] / first, r["median_days"]) for r in found)
    table = Table(
        "stages", "Opportunities by the stage they reached",
        columns("Stage:text", "n:count", "Of the widest stage:share", "Median days:count"), rows,
        "Days from the opening of the opportunity. Approvals by platforms are gates, not channels: "
        "they lie on every way and get no credit while anything was touched.",
    )  # fmt: skip
    return Section("Stages", (table,), ())


def _tie_section(facts: _Facts) -> Section:
    sides: dict[tuple[str, str], list[int]] = {}
    years: set[str] = set()
    for check in facts.checks:
        words = check.name.split()
        if words[0] != "revenue" or len(words) != 4 or words[3] != "net":
            continue
        year = words[2][:4]
        years.add(year)
        pair = sides.setdefault((words[1], year), [0, 0])
        pair[0] += check.expected_c
        pair[1] += check.actual_c
    rows: list[tuple[Cell, ...]] = []
    for year in sorted(years):
        billed = sides[MODELS[0], year][0]
        rows.append((year, billed, *(sides[m, year][1] - sides[m, year][0] for m in MODELS)))
    table = Table(
        "ties_by_year", "Attributed less billed, net, in dollars",
        columns("Year:text", "Billed net:exact", *(f"Difference|{m}:exact" for m in MODELS)),
        tuple(rows),
        f"{len(facts.checks):,} checks in ties.csv: gross, platform share and net of every month "
        "and model, every line, and the bridge of assets month by month.",
    )  # fmt: skip
    return Section("Ties", (table,), ())


def _tie_rows(checks: Sequence[Check]) -> Table:
    rows = tuple((c.name, c.expected_c, c.actual_c, c.difference_c) for c in checks)
    heads = columns("Check:text", "Expected:cents", "Actual:cents", "Difference:cents")
    return Table("ties", "Ties", heads, rows)


def _coverage_section(connection: Connection, facts: _Facts, options: data.Options) -> Section:
    c = facts.coverage
    net = facts.revenue.net(MODELS[0])
    notes = (
        (f"{c['touched']:,} of {c['fundings']:,} fundings have a touch on record; "
         f"{_percent(_unattributed(net))} of net revenue is unattributed. What is credited to a "
        "platform has a placement or an approval on record and nothing else."),
        (f"{c['touches']:,} touches; {c['nameless']:,} of them name nobody, or had no lawful basis "
         f"at their time, and count in totals only. {c['without_basis']:,} persons have no lawful "
        "basis today and are in no journey."),
        (f"{c['inflows']:,} later inflows are events of their own. Groups without an event: "
         f"{c['nulls']:,} quiet for {setting(connection, 'null_after_days')} days, which count "
        f"against their channels; {c['open']:,} still open, which do not."),
        (f"{c['lines']:,} fee lines of {c['accounts']:,} accounts, {c['closed']:,} closed; "
         f"{c['reversals']:,} lines take others back and mirror their cents."),
        f"Look-back {setting(connection, 'lookback_days')} days, half-life "
         f"{setting(connection, 'half_life_days')} days, fees "
        + ("split by tranches of money" if setting(connection, "by_tranches") == "True"
           else "carried by the first funding") + f", costs by the {options.model} model.",
        f"{c['conflicts']:,} claims on a key are in conflict; the earlier claim holds.",
        ("Answers that an assistant gives inside a search page cannot be told from search by the "
         "referrer. What wholesalers do not log cannot be credited."),
    )  # fmt: skip
    return Section("Coverage and limits", (), (), notes=notes)


def _quarter(day: date) -> str:
    return f"{day.year} Q{(day.month + 2) // 3}"


def _millions(cents: int) -> str:
    return f"${cents / 1e8:,.2f}m" if abs(cents) < 1e10 else f"${cents / 1e8:,.0f}m"


def _dollars(cents: float | None) -> str:
    return DASH if cents is None else f"${cents / 100:,.0f}"


def _percent(share: float | None) -> str:
    return DASH if share is None else f"{share * 100:.1f} %".replace("-", MINUS)
