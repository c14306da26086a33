"""`sma growth`: how the programme is won, kept and paid for. One file for each family of verbs."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import cast

import click

from opensma.errors import ensure

# Verb -> the module of `opensma.cli` that exports it as `<verb>_command`. A verb is shown once
# its module exists, and imported when it is used.
VERBS: dict[str, str] = {
    "classify": "_growth_classify",
    "attribute": "_growth_attribute",
    "clv": "_growth_clv",
    "experiment": "_growth_experiment",
    "score": "_growth_score",
    "demo": "_growth_load",
    "load": "_growth_load",
    "publish": "_growth_load",
    "tie": "_growth_tie",
    "why": "_growth_tie",
    "report": "_growth_report",
    "funnel": "_growth_funnel",
    "accounts": "_growth_funnel",
    "next": "_growth_funnel",
    "sql": "_growth_sql",
    "ads": "_growth_ads",
    "export": "_growth_export",
    "erase": "_growth_export",
    "purge": "_growth_export",
}


class Verbs(click.Group):
    """The `sma growth` group: knows its verbs by name and imports one when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Verbs whose module exists, in the order of the table, then those added directly."""
        found = [v for v, name in VERBS.items() if find_spec(f"opensma.cli.{name}") is not None]
        return [*found, *(name for name in self.commands if name not in VERBS)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb's module and return the command that it exports."""
        if cmd_name not in self.list_commands(ctx) or cmd_name in self.commands:
            return self.commands.get(cmd_name)
        module = import_module(f"opensma.cli.{VERBS[cmd_name]}")
        command = getattr(module, f"{cmd_name}_command", None)
        ensure(isinstance(command, click.Command), "a verb exports no command", verb=cmd_name)
        return cast(click.Command, command)


@click.group("growth", cls=Verbs)
def group() -> None:
    """How the programme is won, kept and paid for, in figures that tie to the fee ledger.

    Credit of channels, customer value and experiments work from files alone; revenue ties to the
    fees of a book. Credit divides what happened; it does not say what caused it.
    """
