"""Tables of `sma measure account` about attribution and the worth of losses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from opensma.cli.output import plain, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opensma.measure.attribution_book import AccountAttribution
    from opensma.measure.flow_policy import PolicyMonth
    from opensma.measure.losses_book import LossesWorth


def print_attribution(found: AccountAttribution) -> None:
    """The ladder, and the sectors."""
    from opensma.report.ladder import CLIENT, ladder_steps, wish_rows
    from opensma.report.words import percent, signed_percent

    whole = found.portfolio
    title = f"Why it differs from the benchmark, {whole.start} to {whole.end}"
    rows = []
    for step in ladder_steps(found):
        rows.append((step.name, signed_percent(step.effect), step.meaning))
        if step.name == CLIENT:
            rows += [(f"  {name}", signed_percent(x), why) for name, x, why in wish_rows(found)]
    table(title, ("step", "effect", "what it is"), rows)
    rows_by_sector = [
        (
            one.sector,
            percent(one.weight, 1),
            percent(one.benchmark_weight, 1),
            *(signed_percent(x) for x in (one.allocation, one.selection, one.interaction)),
            signed_percent(one.total),
        )
        for one in found.sectors
    ]
    within = found.ladder.manager + found.ladder.trading
    rows_by_sector += [
        ("within months", "", "", "", "", "", signed_percent(within)),
        (
            "sum",
            "",
            "",
            *(signed_percent(x) for x in (found.allocation, found.selection, found.interaction)),
            signed_percent(found.active),
        ),
    ]
    heads = ("sector", "weight", "benchmark's", "allocation", "selection", "interaction", "total")
    table("By sector", heads, rows_by_sector)


def attribution_document(found: AccountAttribution | None) -> dict[str, Any] | None:
    """Every figure and the sums."""
    if found is None:
        return None
    document: dict[str, Any] = plain(found)
    del document["portfolio"], document["benchmark"]  # stand beside it
    for place, one in zip(document["sectors"], found.sectors, strict=True):
        place["total"] = one.total
    document["ladder"]["implementation"] = found.ladder.implementation
    for name in ("active", "allocation", "selection", "interaction"):
        document[name] = getattr(found, name)
    return document


def losses_figures(found: LossesWorth) -> list[tuple[str, str]]:
    """Rows about the worth of losses; potential and usable value in one (M58)."""
    from opensma.report.words import money, percent, signed_percent

    none = "not known"
    usable, deferred = found.usable_cents, found.deferred_cents
    value = f"{money(found.potential_cents)} in full, "
    value += f"{none if usable is None else money(usable)} usable in {found.year}"
    harvested = (
        f"{money(found.harvested_short_cents)} short-term, "
        f"{money(found.harvested_long_cents)} long-term, {found.year} until {found.as_of}"
    )
    rows = [("losses harvested", harvested), ("value of these losses", value)]
    if deferred is not None:
        rows.append(("carried on instead", f"{money(deferred)} of these losses"))
    if found.short_carry_cents is not None and found.long_carry_cents is not None:
        carry = f"{money(found.short_carry_cents)} short-term, {money(found.long_carry_cents)}"
        rows.append((f"carried to {found.year + 1}", f"{carry} long-term, of the whole taxpayer"))
    if found.carryforward_share is not None and found.net_deferred_share is not None:
        words = (
            f"{signed_percent(found.embedded_gain_share)} of value, carryforward "
            f"{percent(found.carryforward_share)}, leaves {percent(found.net_deferred_share)}"
        )
        rows.append(("gain not realised", words))
    return rows


def print_flows(found: Sequence[PolicyMonth]) -> None:
    """Months with a flow that the policy names, broken at their flows and not broken."""
    from opensma.report.words import money, percent, signed_money

    if not found:
        click.echo("No flow of the period is large or significant by the policy.")
        return
    rows = []
    for month in found:
        large = ", ".join(f"{f.day} {signed_money(f.net_cents)}" for f in month.flows)
        rows.append(
            (
                f"{month.first} to {month.last}",
                money(month.begin_cents),
                large or "none",
                "yes" if month.significant else "no",
                percent(month.time_weighted, 4),
                "n/a" if month.not_broken is None else percent(month.not_broken, 4),
                "n/a" if month.difference_bp is None else f"{month.difference_bp:+,.1f} bp",
            )
        )
    heads = ("month", "began with", "large flows", "significant", "valued daily", "not broken")
    table("Flows by the policy; every session is valued", (*heads, "missed"), rows)


def flow_rows(found: Sequence[PolicyMonth]) -> list[dict[str, Any]]:
    """The same as data."""
    return [
        plain(month)
        | {
            "difference_bp": month.difference_bp,
            "flows": [plain(flow) | {"share": flow.share} for flow in month.flows],
        }
        for month in found
    ]
