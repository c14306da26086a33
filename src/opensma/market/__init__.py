"""The world outside: securities, prices, corporate actions, benchmarks and the risk model.

Lives here: the import format and its checks, the market store (Parquet), the `Market` panel of
arrays, the benchmark, the seeded market generator, the risk model and its quality test.
May enter: files of a user or a vendor, and dates. Every reader takes `as_of` and sees nothing
after it. Must never know: accounts, lots, owners, the book.
"""

from opensma.market.actions import Action, ActionKind
from opensma.market.generator import generate_market
from opensma.market.panel import FOREVER, Intervals, Market, ShareCounts
from opensma.market.risk import RiskModel, estimate_risk
from opensma.market.store import ImportReport, import_market, open_market

__all__ = [
    "FOREVER",
    "Action",
    "ActionKind",
    "ImportReport",
    "Intervals",
    "Market",
    "RiskModel",
    "ShareCounts",
    "estimate_risk",
    "generate_market",
    "import_market",
    "open_market",
]
