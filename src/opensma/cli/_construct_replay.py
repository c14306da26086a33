"""`sma construct replay`: solve a saved problem again and show plan, conflict or trouble."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opensma.cli.output import emit_json, json_option, note, note_compilation, table
from opensma.errors import InputError

if TYPE_CHECKING:
    from opensma.construct.plan import Plan
    from opensma.construct.saved import Decided, SavedProblem

_TROUBLE_LEFT = 1
_FIGURES = (
    *("objective", "objective_before", "bound", "te_before", "te_after", "tax", "cost"),
    *("turnover", "cash_after", "risk_aversion"),
)


@click.command("replay")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@json_option
def command(file: Path, as_json: bool) -> int:
    """Solve a saved problem again; print its plans, its conflict, or its trouble.

    FILE is one that `sma construct solve` or `sma day run` wrote where a decision failed. It holds
    all that was known. The same version gives the same plans. Exit code 1: there is still trouble.
    """
    from opensma import __version__
    from opensma.construct.saved import decide, unpack
    from opensma.construct.solve import Prepared

    problem = unpack(_content(file), str(file))
    if problem.version != __version__:
        note(f"Saved by opensma {problem.version}; this is {__version__}: plans may differ.")
    note_compilation()
    decided = decide(Prepared(problem.universe), problem.taxpayer, problem.as_of_day)
    if as_json:
        emit_json(_document(problem, decided, __version__))
    else:
        _show(problem, decided)
    return _TROUBLE_LEFT if decided.trouble else 0


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(
            "construct.file_missing",
            f"The file cannot be read: {error.strerror}.",
            where=str(file),
            remedy="Give the path that the summary or the day's exception names.",
        ) from error


def _document(problem: SavedProblem, decided: Decided, version: str) -> dict[str, Any]:
    return {
        "taxpayer": problem.taxpayer.taxpayer_id,
        "as_of": date.fromordinal(problem.as_of_day),
        "saved_by": problem.version,
        "solved_by": version,
        "trouble_then": problem.trouble,
        "trouble_now": decided.trouble,
        "error": None if decided.error is None else decided.error.as_dict(),
        "accounts": [_account(problem, plan) for plan in decided.plans],
    }


def _account(problem: SavedProblem, plan: Plan) -> dict[str, Any]:
    names = problem.universe.security
    return {
        "account_id": plan.account_id,
        "status": plan.status,
        "message": plan.message,
        **{name: getattr(plan, name) for name in _FIGURES},
        "binding": plan.binding,
        "trades": _trades(problem, plan),
        "non_trades": [
            {"security": names[n.security], "reason": n.reason, "dollars": n.dollars}
            for n in plan.non_trades
        ],
    }


def _trades(problem: SavedProblem, plan: Plan) -> list[dict[str, Any]]:
    trades, names = plan.trades, problem.universe.security
    return [
        {
            "security": names[int(trades.security[row])],
            "lot": int(trades.lot[row]) if trades.lot[row] >= 0 else None,
            **{
                name: float(getattr(trades, name)[row])
                for name in ("shares", "notional", "tax", "cost", "risk")
            },
            "reason": trades.reason[row],
        }
        for row in range(len(trades.shares))
    ]


def _show(problem: SavedProblem, decided: Decided) -> None:
    day = date.fromordinal(problem.as_of_day)
    click.echo(f"Taxpayer {problem.taxpayer.taxpayer_id} as of {day}")
    for sentence in problem.trouble:
        click.echo(f"Then: {sentence}")
    for plan in decided.plans:
        click.echo("")
        if plan.status.value != "solved":
            click.echo(f"{plan.account_id}: {plan.status.value}: {plan.message}")
            continue
        facts = [(name.replace("_", " "), getattr(plan, name)) for name in _FIGURES]
        title = f"{plan.account_id}: solved, {len(plan.trades.shares)} trades"
        table(title, ("figure", "value"), [*facts, ("binding", ", ".join(plan.binding))])
        rows = [tuple(trade.values()) for trade in _trades(problem, plan)]
        if rows:
            columns = ("security", "lot", "shares", "notional", "tax", "cost", "risk", "reason")
            table("", columns, rows)
    if decided.error is not None and decided.error.remedy:
        note(decided.error.remedy)
