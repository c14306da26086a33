"""The law, as pure functions: lots, relief, holding period, wash sales, corporate actions, rates.

Lives here: what federal tax law makes of lots and events. Rule numbers (`W4`, `H2`) refer to
`docs/tax.md`. May enter: columns of lots and plain events, integers only.
Must never know: the database, the clock, prices of today, or why somebody wants to trade.

What is usable alone, on somebody's own trade list, can be imported from here (`docs/forms.md`):
`from opensma.tax import run, form_8949`. Nothing is loaded before it is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opensma.tax.forms import (
        Fees,
        Kind,
        Setup,
        box_totals,
        corrections,
        differences,
        finality,
        form_1099b,
        form_8949,
        from_csv,
        from_txf,
        read_custodian,
        reconcile,
        schedule_d,
        to_csv,
        to_txf,
        two_views,
        whole_dollars,
    )
    from opensma.tax.netting import Netting, net_year
    from opensma.tax.replay import Policy, run
    from opensma.tax.replay import replay as replay_trades

# The function `replay` is `replay_trades` here: `opensma.tax.replay` is the package it lives in.
_HOME = {
    "Policy": "replay",
    "run": "replay",
    "replay_trades": "replay",
    "Netting": "netting",
    "net_year": "netting",
}

__all__ = [
    "Fees",
    "Kind",
    "Netting",
    "Policy",
    "Setup",
    "box_totals",
    "corrections",
    "differences",
    "finality",
    "form_1099b",
    "form_8949",
    "from_csv",
    "from_txf",
    "net_year",
    "read_custodian",
    "reconcile",
    "replay_trades",
    "run",
    "schedule_d",
    "to_csv",
    "to_txf",
    "two_views",
    "whole_dollars",
]


def __getattr__(name: str) -> Any:
    """Load what is asked for; everything else of the room is a module of its own."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = import_module(f"{__name__}.{_HOME.get(name, 'forms')}")
    return getattr(home, "replay" if name == "replay_trades" else name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
