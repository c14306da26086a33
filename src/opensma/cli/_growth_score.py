"""`sma growth score`: lead scores with reasons, and how good they are on later days."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from opensma.cli.output import emit_json, json_option, note, table

_SHOWN = 20


@click.command("score")
@click.option(
    "--leads", required=True, type=click.Path(path_type=Path), metavar="FILE",
    help="CSV or Parquet; every column but id, time and target is a feature.",
)  # fmt: skip
@click.option(
    "--target", required=True, metavar="COLUMN",
    help="1 where the next stage came, 0 where not, empty for open leads.",
)  # fmt: skip
@click.option("--id", "id_name", required=True, metavar="COLUMN", help="What names a lead.")
@click.option(
    "--time", "time_name", metavar="COLUMN", help="When it was scored.  [default: file order]"
)
@click.option(
    "--train-share", type=click.FloatRange(0.1, 0.95), default=0.7, show_default=True,
    help="The first part by time; the rest tests.",
)  # fmt: skip
@click.option(
    "--rules", type=click.Path(path_type=Path), metavar="FILE.json",
    help="Points by rules, used while there are fewer than 100 events.",
)  # fmt: skip
@click.option(
    "--plot", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.svg",
    help="Write the reliability plot.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@json_option
def score_command(
    leads: Path, target: str, id_name: str, time_name: str | None, train_share: float,
    rules: Path | None, plot: Path | None, seed: int, as_json: bool,
) -> None:  # fmt: skip
    """Score leads by a logistic model with three reasons each, tested on the later part.

    Open leads are scored by weights that the later part moved. Protected attributes are refused.
    Reliability, lift and a plain logistic rival are printed.
    """
    from opensma.growth.experiments.spec import read_spec
    from opensma.growth.scoring_report import read_leads, rules_of, score_document

    points = rules_of(read_spec(rules)) if rules else []
    columns = read_leads(leads)
    found = score_document(columns, target, time_name, id_name, train_share, seed, points)
    if plot is not None:
        from opensma.growth.scoring_plot import write_plot

        write_plot(plot, found)
    if as_json:
        emit_json(found)
        return
    shown = found.get("open") or found["scores"]
    best = sorted(shown, key=lambda row: -row["score"])[:_SHOWN]
    rows = [
        (r["id"], f"{r['score']:.3f}", "; ".join(x["reason"] for x in r["reasons"])) for r in best
    ]
    kind = "Best open leads" if found.get("open") else "Best leads"
    table(f"{kind} by {found['model']}", ("id", "score", "reasons"), rows)
    if found["model"] == "logistic":
        _show_quality(found)
    for warning in found["warnings"]:
        note(f"{warning['code']}: {warning['text']}")


def _show_quality(found: dict[str, Any]) -> None:
    moved = found["moved"]
    judged = {
        "later part": found["test"],
        "later part, weights moved by the rest of it": moved,
        "plain logistic": found["plain_logistic"],
    }
    rows = []
    for name, m in judged.items():
        if m is not None:
            low, high = m["lift_top_tenth"]["interval"]
            lift = f"{m['lift_top_tenth']['lift']:.2f} ({low:.2f} to {high:.2f})"
            auc = "" if m["auc"] is None else f"{m['auc']:.4f}"
            gaps = (f"{m['largest_gap']:.3f}", f"{m['mean_gap']:.3f}", str(m["surely_off"]))
            rows.append((name, f"{m['brier']:.4f}", auc, *gaps, lift))
    columns = ("judged on", "Brier", "AUC", "largest gap", "mean gap", "tenths surely off",
               "lift of the best tenth")  # fmt: skip
    table("How good it is", columns, rows)
    _show_tenths("Reliability on the later part", found["test"])
    if moved is None:
        note("The later part has too few outcomes to move the weights.")
        return
    _show_tenths("Reliability with moved weights", moved)
    perfect = moved["perfect_score"]
    note(
        f"In a sample of this size a perfect score shows a largest gap of {perfect['median']:.3f} "
        f"(median; {perfect['high']:.3f} in one of twenty); this one shows "
        f"{moved['largest_gap']:.3f}."
    )


def _show_tenths(title: str, judged: dict[str, Any]) -> None:
    tenths = [
        (
            r["n"],
            f"{r['predicted']:.3f}",
            f"{r['observed']:.3f}",
            f"{r['interval'][0]:.3f} to {r['interval'][1]:.3f}",
        )
        for r in judged["reliability"]
    ]
    table(title, ("n", "predicted", "observed", "90 %"), tenths)
