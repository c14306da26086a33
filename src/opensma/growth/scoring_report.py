"""The document of a score: trained on the past, judged on the later part; open leads (L3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from opensma.errors import InputError
from opensma.growth import scoring
from opensma.growth.csv_files import header_of, strict_source, unreadable
from opensma.growth.experiments.spec import Spec
from opensma.growth.scientific import scipy_part
from opensma.growth.scoring_measures import measures, perfect_gaps
from opensma.growth.warehouse.store import quoted

if TYPE_CHECKING:
    from opensma.growth.credit_paths import Floats

_MANY_UNSEEN = 0.05
_FOLDS = 10
_DAY = r"\d{4}-\d{2}-\d{2}"
_PATTERNS = (
    ("BIGINT", r"[+-]?\d+"),
    ("DOUBLE", r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"),
    ("DATE", _DAY),
    ("TIMESTAMP", _DAY + r"[ T]\d{2}:\d{2}.*"),
)
_FEWEST_TO_MOVE = 20  # events, and rows without: fewer move no weight that means anything


def read_leads(file: Path) -> dict[str, list[Any]]:
    """Columns of a Parquet file, or of a CSV file with the types that all their values have."""
    import duckdb

    if not file.is_file():
        raise FileNotFoundError(2, "No such file", str(file))
    connection = duckdb.connect()
    try:
        parquet = file.suffix == ".parquet"
        source = "read_parquet(?)" if parquet else strict_source(header_of(file))
        connection.execute(f"CREATE TEMP TABLE leads AS SELECT * FROM {source}", [str(file)])
        names = [row[0] for row in connection.execute("DESCRIBE leads").fetchall()]
        typed = [quoted(n) if parquet else _typed(connection, quoted(n)) for n in names]
        rows = connection.execute(f"SELECT {', '.join(typed)} FROM leads").fetchall()
    except duckdb.Error as error:
        raise unreadable(error, file) from error
    finally:
        connection.close()
    return {name: [row[i] for row in rows] for i, name in enumerate(names)}


def _typed(connection: Any, column: str) -> str:
    """A column of text in the first type that every value has; words such as "yes" stay words."""
    for kind, pattern in _PATTERNS:
        cast = f"TRY_CAST({column} AS {kind})"
        fits = f"regexp_full_match({column}, '{pattern}') AND {cast} IS NOT NULL"
        row = connection.execute(
            f"SELECT count(*) FROM leads WHERE {column} IS NOT NULL AND NOT ({fits})"
        ).fetchone()
        if row[0] == 0:
            return cast
    return column


def score_document(
    columns: Mapping[str, list[Any]], target_name: str, time_name: str | None, id_name: str,
    train_share: float, seed: int, rules: Sequence[scoring.PointsRule] = (),
) -> dict[str, Any]:  # fmt: skip
    """Train on the first part by time, test on the rest, score open leads; or points by rules.

    Open leads have no target yet. They are scored by the weights that the later part moved, where
    it could. Without a time column the order of the file is taken as the order of time, and the
    document says so.
    """
    _check_columns(columns, [target_name, id_name, *([time_name] if time_name else [])])
    left_out = {target_name, id_name, time_name}
    scoring.check_features([name for name in columns if name not in left_out])
    known, waiting = _by_time(columns, target_name, time_name)
    target = np.array([float(value) for value in known[target_name]])
    inputs, waiting_inputs = (
        {name: column for name, column in part.items() if name not in left_out}
        for part in (known, waiting)
    )
    cut = int(train_share * len(target))
    events = int(target[:cut].sum())
    if events < scoring.FEWEST_EVENTS and rules:
        everyone = {name: inputs[name] + waiting_inputs[name] for name in inputs}
        return _by_rules(everyone, known[id_name] + waiting[id_name], rules, events)
    train = {name: column[:cut] for name, column in inputs.items()}
    test = {name: column[cut:] for name, column in inputs.items()}
    model = scoring.fit_score(train, target[:cut])
    chance = model.scores(test)
    moved = _moved(inputs, target, cut, known[id_name], model.penalty, seed)
    usable = scoring.move_score(inputs, target, cut, model.penalty) if moved else model
    unseen = _unseen(model, test)
    return {
        "model": "logistic", "penalty": model.penalty, "train": {"rows": cut, "events": events},
        "test": measures(chance, target[cut:], seed, model.log_odds(test)),
        "moved": moved, "unseen": unseen,
        "plain_logistic": measures(_plain(train, target[:cut], test), target[cut:], seed),
        "scores": _rows(model, test, known[id_name][cut:]),
        "open": _rows(usable, waiting_inputs, waiting[id_name]),
        "warnings": _warnings(time_name, unseen),
    }  # fmt: skip


def _rows(
    model: scoring.ScoreModel, columns: Mapping[str, list[Any]], ids: list[Any]
) -> list[dict[str, Any]]:
    if not ids:
        return []
    return [
        {"id": name, "score": float(score), "reasons": reasons}
        for name, score, reasons in zip(
            ids, model.scores(columns), model.reasons(columns), strict=True
        )
    ]


def _warnings(time_name: str | None, unseen: Mapping[str, Any]) -> list[dict[str, str]]:
    warnings = []
    if time_name is None:
        text = "No time column: the order of the file stands for time."
        warnings.append({"code": "FILE_ORDER", "text": text})
    if unseen["share"] > _MANY_UNSEEN:
        named = ", ".join(unseen["columns"])
        warnings.append({"code": "UNSEEN_VALUES", "text": (
            f"{unseen['share']:.0%} of the later rows have values that the model was not trained "
            f"on ({named}): their chances are a guess until their outcomes move the weights."
        )})  # fmt: skip
    return warnings


def _unseen(model: scoring.ScoreModel, test: Mapping[str, list[Any]]) -> dict[str, Any]:
    """Later rows with a word that the training rows had too rarely, or not at all, by column."""
    rows = len(next(iter(test.values())))
    anywhere = np.zeros(rows, dtype=bool)
    share = {}
    for feature in model.features:
        if feature.edges is None:
            other = len(feature.levels) - 2
            here = feature.levels_of(test[feature.name]) == other
            anywhere |= here
            share[feature.name] = float(here.mean())
    worst = sorted(share, key=lambda name: (-share[name], name))
    return {"share": float(anywhere.mean()), "columns": {n: share[n] for n in worst if share[n]}}


def _moved(
    inputs: Mapping[str, list[Any]], target: Floats, cut: int, ids: Sequence[Any],
    penalty: float, seed: int,
) -> dict[str, Any] | None:  # fmt: skip
    """The score after the later part moved its weights: each part in ten by the other nine.

    None where a part would be moved by too few outcomes. A gap is to be read beside what a perfect
    score would show in a sample of this size.
    """
    fold = np.array([int(sha256(str(name).encode()).hexdigest(), 16) % _FOLDS for name in ids])
    fold[:cut] = -1
    chance = np.zeros(len(target))
    for k in range(_FOLDS):
        learn, use = fold != k, fold == k
        happened = target[learn][cut:]
        if min(happened.sum(), (1 - happened).sum()) < _FEWEST_TO_MOVE:
            return None
        model = scoring.move_score(scoring.rows_where(inputs, learn), target[learn], cut, penalty)
        if use.any():
            chance[use] = model.scores(scoring.rows_where(inputs, use))
    later = chance[cut:]
    return measures(later, target[cut:], seed) | {"perfect_score": perfect_gaps(later, seed)}


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


def _by_time(
    columns: Mapping[str, list[Any]], target_name: str, time_name: str | None
) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """Rows with a target in the order of time, and those that wait for one."""
    order: Sequence[int] = range(len(columns[target_name]))
    if time_name is not None:
        times = columns[time_name]
        if any(time is None for time in times):
            raise InputError("growth.time", "A lead has no time.", where=time_name,
                             remedy="Give every lead the time of its score.")  # fmt: skip
        order = sorted(order, key=lambda i: (times[i], i))
    target = columns[target_name]
    if any(value not in (0, 1, None) for value in target):
        raise InputError("growth.target", "The target is not 0, 1 or empty everywhere.",
                         where=target_name, remedy="1 where the next stage came within the "
                         "horizon, empty while it still may.")  # fmt: skip
    known, waiting = (
        {name: [column[i] for i in rows] for name, column in columns.items()}
        for rows in (
            [i for i in order if target[i] is not None],
            [i for i in order if target[i] is None],
        )
    )
    return known, waiting


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
