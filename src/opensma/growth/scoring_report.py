"""How good a score is on days it has not seen: Brier, reliability, lift, and a plain rival (L3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from opensma.errors import InputError
from opensma.growth import scoring
from opensma.growth.experiments.spec import Spec
from opensma.growth.scientific import scipy_part

if TYPE_CHECKING:
    from opensma.growth.credit_paths import Floats, Ints

_DRAWS = 1000
RELIABLE = 0.03  # a tenth whose chance is nearer to what was observed is reliable
_Z90 = 1.6448536269514722
_MANY_UNSEEN = 0.05
_TOP = 0.1
_DECILES = 10


def read_leads(file: Path) -> dict[str, list[Any]]:
    """Columns of a CSV or Parquet file, types as DuckDB reads them."""
    import duckdb

    # "yes" stays a word: types that a person would not expect are not guessed.
    types = "auto_type_candidates=['BIGINT', 'DOUBLE', 'DATE', 'TIMESTAMP', 'VARCHAR']"
    source = (
        "read_parquet(?)" if file.suffix == ".parquet" else f"read_csv(?, header=true, {types})"
    )
    if not file.is_file():
        raise FileNotFoundError(2, "No such file", str(file))
    try:
        found = duckdb.execute(f"SELECT * FROM {source}", [str(file)])
        names = [entry[0] for entry in found.description]
        rows = found.fetchall()
    except duckdb.Error as error:
        raise InputError(
            "growth.leads", f"The file cannot be read: {str(error).splitlines()[0]}",
            where=str(file), remedy="Give CSV with a header, or Parquet.",
        ) from error  # fmt: skip
    return {name: [row[i] for row in rows] for i, name in enumerate(names)}


def score_document(
    columns: Mapping[str, list[Any]], target_name: str, time_name: str | None, id_name: str,
    train_share: float, seed: int, rules: Sequence[scoring.PointsRule] = (),
) -> dict[str, Any]:  # fmt: skip
    """Train on the first part by time, test on the rest; or points by rules where events are few.

    Without a time column the order of the file is taken as the order of time, and the document
    says so.
    """
    _check_columns(columns, [target_name, id_name, *([time_name] if time_name else [])])
    order = _order(columns, time_name)
    sorted_columns = {name: [column[i] for i in order] for name, column in columns.items()}
    target = _target(sorted_columns[target_name], target_name)
    left_out = {target_name, id_name, time_name}
    inputs = {name: column for name, column in sorted_columns.items() if name not in left_out}
    scoring.check_features(list(inputs))
    ids = sorted_columns[id_name]
    cut = int(train_share * len(target))
    events = int(target[:cut].sum())
    if events < scoring.FEWEST_EVENTS and rules:
        return _by_rules(inputs, ids, rules, events)
    train = {name: column[:cut] for name, column in inputs.items()}
    test = {name: column[cut:] for name, column in inputs.items()}
    model = scoring.fit_score(train, target[:cut])
    chance, ranking = model.scores(test), model.log_odds(test)
    rows = [
        {"id": ids[cut + i], "score": float(chance[i]), "reasons": model.reasons(test, i)}
        for i in range(len(chance))
    ]
    warnings = [] if time_name else [
        {"code": "FILE_ORDER", "text": "No time column: the order of the file stands for time."}
    ]  # fmt: skip
    unseen = _unseen(model, test)
    if unseen["share"] > _MANY_UNSEEN:
        named = ", ".join(unseen["columns"])
        warnings.append({"code": "UNSEEN_VALUES", "text": (
            f"{unseen['share']:.0%} of the later rows have values that the model was not trained "
            f"on ({named}): their chances are a guess. Use the figures calibrated again."
        )})  # fmt: skip
    return {
        "model": "logistic", "penalty": model.penalty, "train": {"rows": cut, "events": events},
        "test": measures(chance, target[cut:], seed, ranking),
        "recalibrated": _recalibrated(ranking, target[cut:], ids[cut:], seed),
        "unseen": unseen,
        "plain_logistic": measures(_plain(train, target[:cut], test), target[cut:], seed),
        "scores": rows, "warnings": warnings,
    }  # fmt: skip


def measures(
    chance: Floats, target: Floats, seed: int, ranking: Floats | None = None
) -> dict[str, Any]:
    """Brier score, area under the curve, reliability by tenths and lift of the best tenth (L3).

    `ranking` orders leads of equal chance; without it they count as equal.
    """
    ranked = chance if ranking is None else ranking
    parts = _tenths(chance)
    reliability = [_tenth(chance[part], target[part]) for part in parts]
    gaps = [abs(r["predicted"] - r["observed"]) for r in reliability]
    return {
        "rows": len(target), "events": int(target.sum()),
        "brier": float(((chance - target) ** 2).mean()), "auc": _auc(ranked, target),
        "reliability": reliability,
        "largest_gap": max(gaps), "mean_gap": _weighted(gaps, [r["n"] for r in reliability]),
        "surely_off": sum(not r["could_be_reliable"] for r in reliability),
        "lift_top_tenth": _lift(ranked, target, seed),
    }  # fmt: skip


def _tenth(chance: Floats, target: Floats) -> dict[str, Any]:
    """A tenth's chance beside what was observed, with the 90 % interval (Wilson) of the latter.

    It could be reliable where some chance within RELIABLE of the predicted lies in the interval.
    """
    n, predicted, observed = len(target), float(chance.mean()), float(target.mean())
    z2 = _Z90**2
    middle = (observed + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z90 / (1 + z2 / n) * (observed * (1 - observed) / n + z2 / (4 * n * n)) ** 0.5
    low, high = middle - half, middle + half
    return {
        "n": n, "predicted": predicted, "observed": observed, "interval": [low, high],
        "could_be_reliable": low - RELIABLE <= predicted <= high + RELIABLE,
    }  # fmt: skip


def _weighted(gaps: Sequence[float], rows: Sequence[int]) -> float:
    return float(np.average(gaps, weights=rows))


def _unseen(model: scoring.ScoreModel, test: Mapping[str, list[Any]]) -> dict[str, Any]:
    """Later rows with a word that the training rows had too rarely, or not at all, by column."""
    rows = len(next(iter(test.values())))
    anywhere = np.zeros(rows, dtype=bool)
    share = {}
    for feature in model.features:
        if feature.edges is None:
            other = len(feature.levels) - 2
            here = np.array([feature.level_of(v) == other for v in test[feature.name]])
            anywhere |= here
            share[feature.name] = float(here.mean())
    worst = sorted(share, key=lambda name: (-share[name], name))
    return {"share": float(anywhere.mean()), "columns": {n: share[n] for n in worst if share[n]}}


def _recalibrated(
    ranking: Floats, target: Floats, ids: Sequence[Any], seed: int
) -> dict[str, Any] | None:
    """Calibrated again on the later part: judged on the same rows, and each half by the other.

    The first is what a desk would use from then on; its gaps are zero by construction and prove
    nothing. The second is what the desk can expect of it.
    """
    half = np.array([int(sha256(str(name).encode()).hexdigest(), 16) % 2 for name in ids])
    if any(not 0 < target[half == side].sum() < (half == side).sum() for side in (0, 1)):
        return None
    crossed = np.empty_like(ranking)
    for side in (0, 1):
        learn, use = half != side, half == side
        crossed[use] = scoring.isotonic(ranking[learn], target[learn], ranking[use])
    same = scoring.isotonic(ranking, target, ranking)
    return {
        "same_rows": measures(same, target, seed, ranking),
        "other_half": measures(crossed, target, seed),
    }


def _tenths(chance: Floats) -> list[Ints]:
    """Rows by score in ten parts; equal scores stay together, so parts differ in size."""
    order = np.argsort(chance, kind="stable")
    ranked = chance[order]
    cuts = np.searchsorted(ranked, ranked[np.arange(1, _DECILES) * len(ranked) // _DECILES])
    return [part for part in np.split(order, np.unique(cuts)) if len(part)]


def _auc(chance: Floats, target: Floats) -> float | None:
    """Chance that a lead with the event ranks above one without; ties count half."""
    ones = target > 0
    if not 0 < ones.sum() < len(ones):
        return None
    _, code, counts = np.unique(chance, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[code.reshape(-1)]
    n = float(ones.sum())
    return float((rank[ones].sum() - n * (n + 1) / 2) / (n * (len(ones) - n)))


def _lift(chance: Floats, target: Floats, seed: int) -> dict[str, Any]:
    def lift(c: Floats, y: Floats) -> float:
        best = np.argsort(-c, kind="stable")[: max(1, int(_TOP * len(c)))]
        return float(y[best].mean() / y.mean()) if y.any() else np.nan

    random = np.random.default_rng(seed)
    draws = []
    for _ in range(_DRAWS):
        chosen = random.integers(0, len(chance), len(chance))
        draws.append(lift(chance[chosen], target[chosen]))
    low, high = np.nanpercentile(draws, [5, 95])
    return {"lift": lift(chance, target), "interval": [float(low), float(high)], "seed": seed}


def _plain(train: Mapping[str, list[Any]], target: Floats, test: Mapping[str, list[Any]]) -> Floats:
    """The rival: numbers as they are, words as indicators, hardly any penalty."""
    features = [scoring.learn_feature(name, column) for name, column in train.items()]
    blocks = []
    for columns in (train, test):
        parts = [
            scoring.design([f], columns) if f.edges is None else _numbers(columns[f.name])
            for f in features
        ]
        blocks.append(np.hstack(parts))
    middle, spread = blocks[0].mean(axis=0), blocks[0].std(axis=0)
    spread[spread == 0] = 1.0
    x, later = ((block - middle) / spread for block in blocks)
    weights, intercept = scoring.logistic(x, target, 1e-3)
    return np.asarray(scipy_part("special").expit(later @ weights + intercept))


def _numbers(column: Sequence[Any]) -> Floats:
    return np.array([[0.0 if v is None else float(v)] for v in column])


# --- input ---------------------------------------------------------------------------------------


def _check_columns(columns: Mapping[str, list[Any]], needed: Sequence[str]) -> None:
    for name in needed:
        if name not in columns:
            raise InputError(
                "growth.columns", f"There is no column '{name}'.", where="--leads",
                remedy=f"The file has {', '.join(columns)}.",
            )  # fmt: skip


def _order(columns: Mapping[str, list[Any]], time_name: str | None) -> list[int]:
    rows = range(len(next(iter(columns.values()))))
    if time_name is None:
        return list(rows)
    times = columns[time_name]
    if any(time is None for time in times):
        raise InputError("growth.time", "A lead has no time.", where=time_name,
                         remedy="Give every lead the time of its score.")  # fmt: skip
    return sorted(rows, key=lambda i: (times[i], i))


def _target(column: list[Any], name: str) -> Floats:
    if any(value not in (0, 1) for value in column):
        raise InputError("growth.target", "The target is not 0 or 1 everywhere.", where=name,
                         remedy="1 where the next stage came within the horizon.")  # fmt: skip
    return np.array([float(value) for value in column])


def _by_rules(
    inputs: Mapping[str, list[Any]], ids: list[Any], rules: Sequence[scoring.PointsRule],
    events: int,
) -> dict[str, Any]:  # fmt: skip
    _check_columns(inputs, [rule.column for rule in rules])
    rows = []
    for i, name in enumerate(ids):
        points, reasons = scoring.rules_score(rules, inputs, i)
        rows.append({"id": name, "score": points, "reasons": reasons})
    text = f"{events} events, below {scoring.FEWEST_EVENTS}: points by rules, not a probability."
    return {
        "model": "rules", "train": {"rows": len(ids), "events": events}, "scores": rows,
        "warnings": [{"code": "RULES_ONLY", "text": text}],
    }  # fmt: skip


def rules_of(spec: Spec) -> list[scoring.PointsRule]:
    """Rules from {"rules": [{column, points, words, any_of | at_least}]}."""
    found = []
    for number, fields in enumerate(spec.get("rules", list, "a list of rules"), 1):
        part = Spec(fields if isinstance(fields, dict) else {}, f"{spec.where}: rule {number}",
                    spec.folder)  # fmt: skip
        values = part.get("any_of", list, "a list of values") if part.has("any_of") else []
        least = part.number("at_least") if part.has("at_least") else None
        if bool(values) == (least is not None):
            raise part.fail("any_of", "One of any_of and at_least is needed.", "Give one of them.")
        found.append(scoring.PointsRule(
            str(part.get("column", str, "a column")), part.number("points"),
            str(part.get("words", str, "the reason in words")), tuple(map(str, values)), least,
        ))  # fmt: skip
    scoring.check_features([rule.column for rule in found])
    return found
