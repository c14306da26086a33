"""`sma tax`: forms, reconciliation and the year, from a trade list; no book is needed."""

from __future__ import annotations

import click


@click.group("tax")
def group() -> None:
    """Tax forms of a trade list, and how they compare with the custodian's."""
