"""Billed revenue by channel and model, and what chance alone would do to its shares (N1, N3)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from opensma.growth.credit_bootstrap import Resampled
from opensma.growth.economics import spread
from opensma.growth.journeys import MODELS, is_touch
from opensma.growth.pack_data import COST_MODEL, SMALL
from opensma.growth.pack_tables import Cell, Table, columns
from opensma.growth.warehouse.schema import UNATTRIBUTED
from opensma.growth.warehouse.store import query

if TYPE_CHECKING:
    from opensma.growth.warehouse.store import Connection

SMALL_N = 100  # N2: under so many fundings nothing is ranked
DRAWS, SEED = 1000, 0


@dataclass(frozen=True, slots=True)
class Revenue:
    """Billed cents by model and channel: gross and the platform's share.

    `by_group` has net cents as (model, buying group, channel, cents), unrounded.
    """

    gross: Mapping[str, Mapping[str, int]]
    platform: Mapping[str, Mapping[str, int]]
    by_group: Sequence[tuple[str, str, str, float]]

    def net(self, model: str) -> dict[str, int]:
        """Net cents by channel under a model."""
        return {c: v - self.platform[model][c] for c, v in self.gross[model].items()}

    @property
    def channels(self) -> list[str]:
        """Channels by linear credit, the largest first; unattributed last."""
        totals = self.net(COST_MODEL)
        names = sorted({c for by in self.gross.values() for c in by})
        return sorted(names, key=lambda c: (c == UNATTRIBUTED, c == SMALL, -totals.get(c, 0), c))

    def shares(self) -> dict[str, dict[str, float]]:
        """Share of net revenue by model and channel (E8)."""
        found = {}
        for model in self.gross:
            net = self.net(model)
            total = sum(net.values()) or 1
            found[model] = {channel: cents / total for channel, cents in net.items()}
        return found


def channel_revenue(connection: Connection, small: Collection[str] = ()) -> Revenue:
    """All billed revenue by model and channel, to the cent; small channels are one (P5)."""
    rows = query(
        connection,
        # By touch first: a programme has millions of rows and thousands of touches.
        "SELECT r.model, coalesce(t.channel, r.touch_id) AS channel, "
        "CAST(sum(r.amount_c) AS BIGINT) AS amount_c, "
        "CAST(sum(r.platform_share_c) AS BIGINT) AS platform_share_c "
        "FROM (SELECT model, touch_id, sum(amount_c) AS amount_c, sum(platform_share_c) "
        "AS platform_share_c FROM revenue GROUP BY ALL) r "
        "LEFT JOIN touch t ON t.touch_id = r.touch_id GROUP BY ALL",
    )
    gross: dict[str, dict[str, int]] = {model: {} for model in MODELS}
    platform: dict[str, dict[str, int]] = {model: {} for model in MODELS}
    for row in rows:
        model, name = row["model"], SMALL if row["channel"] in small else row["channel"]
        gross[model][name] = gross[model].get(name, 0) + row["amount_c"]
        platform[model][name] = platform[model].get(name, 0) + row["platform_share_c"]
    return Revenue(gross, platform, _by_group(connection, small))


def _by_group(connection: Connection, small: Collection[str]) -> list[tuple[str, str, str, float]]:
    """Net revenue of every group's events times the credit in them.

    Before it is rounded line by line: enough for what chance does, and ten times as fast.
    """
    rows = query(
        connection,
        "SELECT c.model, coalesce(e.group_id, c.event_id) AS group_id, "
        "coalesce(t.channel, c.touch_id) AS channel, "
        "CAST(sum(b.net_c * c.weight) AS DOUBLE) / 1e9 AS net_c "
        "FROM credit c JOIN (SELECT p.event_id, sum(CASE WHEN v.line_id IS NULL "
        "THEN p.amount_c - p.platform_share_c ELSE 0 END) AS net_c FROM line_part p "
        "LEFT JOIN fee_ledger v ON v.reversal_of = p.line_id GROUP BY p.event_id) b "
        "ON b.event_id = c.event_id LEFT JOIN event e ON e.event_id = c.event_id "
        "LEFT JOIN touch t ON t.touch_id = c.touch_id GROUP BY ALL ORDER BY ALL",
    )
    return [
        (r["model"], r["group_id"], SMALL if r["channel"] in small else r["channel"], r["net_c"])
        for r in rows
    ]


def resampled(revenue: Revenue, channels: Sequence[str]) -> dict[str, Resampled]:
    """Shares of net revenue when buying groups are drawn again, by model (N1)."""
    groups = {name: i for i, name in enumerate(sorted({row[1] for row in revenue.by_group}))}
    place = {channel: i for i, channel in enumerate(channels)}
    cents = {model: np.zeros((len(groups), len(channels))) for model in MODELS}
    for model, group, channel, net in revenue.by_group:
        cents[model][groups[group], place[channel]] += net
    random = np.random.default_rng(SEED)
    even = np.full(len(groups), 1 / max(1, len(groups)))
    drawn = random.multinomial(len(groups), even, size=DRAWS).astype(np.float64)
    found = {}
    for model, table in cents.items():
        sums = drawn @ table
        total = sums.sum(axis=1)
        found[model] = Resampled(sums[total > 0] / total[total > 0, np.newaxis])
    return found


def share_tables(revenue: Revenue, channels: Sequence[str], n: int) -> tuple[Table, Table]:
    """Linear shares with intervals, ranks and the spread of models; and every model's as a file."""
    shares, apart = revenue.shares(), spread(revenue.shares())
    drawn = resampled(revenue, channels)
    shown: list[tuple[Cell, ...]] = []
    everything: list[tuple[Cell, ...]] = []
    for model in MODELS:
        ranks = _ranks(drawn[model], channels) if n >= SMALL_N else {}
        some = len(drawn[model].shares) > 0
        bounds = drawn[model].intervals().tolist() if some else [[None, None]] * len(channels)
        for channel, (low, high) in zip(channels, bounds, strict=True):
            cells = (shares[model].get(channel, 0.0), low, high, ranks.get(channel))
            everything.append((model, channel, *cells))
            if model == COST_MODEL:
                of_models = [shares[m].get(channel, 0.0) for m in MODELS]
                shown.append((channel, *cells, min(of_models), max(of_models), apart[channel]))
    few = ", too few to rank channels (N2)" if n < SMALL_N else ""
    note = (
        f"n = {n:,} funded groups{few}. Low and high: 5th and 95th percentile of {DRAWS:,} "
        f"draws of buying groups, seed {SEED} (N1). Channels that chance could exchange share a "
        "rank (N3). Spread: largest less smallest share over the models, in points (E8): where it "
        "is wide, no single model should decide a budget."
    )
    return (
        Table(
            "revenue_shares", "Share of net revenue, and how sure it is",
            columns("Channel:channel", "Linear|Share:share", "Linear|Low:share",
                    "Linear|High:share", "Linear|Rank:count", "All models|Least:share",
                    "All models|Most:share", "All models|Spread:points"), tuple(shown), note,
        ),
        Table(
            "revenue_share_intervals", "Shares with intervals by model",
            columns("Model:text", "Channel:text", "Share:share", "Low:share", "High:share",
                    "Rank:count"), tuple(everything),
        ),
    )  # fmt: skip


def _ranks(drawn: Resampled, channels: Sequence[str]) -> dict[str, int]:
    """Ranks of the channels that somebody can choose: no platform, nothing unattributed."""
    chosen = [i for i, c in enumerate(channels) if is_touch(c) and c != SMALL]
    if not chosen or not len(drawn.shares):
        return {}
    ranks = Resampled(drawn.shares[:, chosen]).ranks().tolist()
    return {channels[i]: rank for i, rank in zip(chosen, ranks, strict=True)}
