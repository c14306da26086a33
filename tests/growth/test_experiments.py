"""Experiments: the cases through the real command; false alarms and planted effects."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("scipy", reason='scipy is not installed: pip install "opensma[growth]"')

from tests.growth.files import Command, case, command, data

from opensma.growth.experiments.assignment import arm_of, position_of
from opensma.growth.experiments.comparison import compare, sequential
from opensma.growth.experiments.spec import Spec
from opensma.growth.experiments.synthetic import simplex_weights


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    sma = command(capsys)

    def call(kind: str, spec: object, *, status: int = 0) -> Any:
        file = tmp_path / "spec.json"
        file.write_text(spec if isinstance(spec, str) else json.dumps(spec))
        return sma("experiment", kind, "--spec", file, status=status)

    return call


def agrees(found: Any, expected: dict[str, Any], tolerance: dict[str, float]) -> None:
    for name, want in expected.items():
        if want is None or isinstance(want, bool):
            assert found[name] is want, name
        else:
            within = tolerance.get(f"{name}_abs", tolerance.get("abs", 1e-7))
            # the cases hold ten digits
            assert found[name] == pytest.approx(want, abs=within, rel=2e-9), name


@pytest.mark.parametrize("kind", ["srm", "ab", "cuped"])
def test_cases_of_two_arms(kind: str, run: Command) -> None:
    expected = case("experiment_ab")
    for one in expected[kind]:
        agrees(run(kind, one["spec"]), one["expected"], expected["tolerance"])


def test_x1_assignment_is_the_same_everywhere(run: Command) -> None:
    rows = case("experiment_ab")["assignment"]
    spec = {k: rows[0][k] for k in ("salt", "weights")} | {"units": [r["unit"] for r in rows]}
    for found, want in zip(run("assign", spec)["assignments"], rows, strict=True):
        assert (found["unit"], found["arm"]) == (want["unit"], want["arm"])
        assert found["u"] == pytest.approx(want["u"], abs=1e-10)


def test_x1_arms_get_their_weights_and_an_empty_arm_nobody() -> None:
    weights = [0.2, 0.0, 0.8]
    arms = [arm_of(position_of("s", f"office-{i}"), weights) for i in range(5000)]
    assert np.bincount(arms, minlength=3) / 5000 == pytest.approx([0.2, 0, 0.8], abs=0.02)
    assert arm_of(1.0, [0.5, 0.5, 0.0]) == 1


def test_case_of_territories(run: Command) -> None:
    expected = case("experiment_tbr")
    spec = expected["spec"] | {k: str(data(expected["spec"][k])) for k in ("data", "assignment")}
    agrees(run("tbr", spec), expected["expected"], expected["tolerance"] | {"abs": 1e-4})
    both = run("tbr", spec | {"tails": 2})
    assert both["upper"] - both["estimate"] == pytest.approx(both["precision"])
    assert both["precision"] > expected["expected"]["precision"]


def test_case_of_synthetic_control(run: Command) -> None:
    expected = case("experiment_synth_placebo")
    spec = expected["spec"] | {"data": str(data(expected["spec"]["data"]))}
    found, want = run("synth", spec), dict(expected["expected"])
    for unit, weight in want.pop("weights").items():
        assert found["weights"][unit] == pytest.approx(weight, abs=0.002)
    agrees(found, want, expected["tolerance"])
    assert sum(found["weights"].values()) == pytest.approx(1)
    # a placebo before the campaign stands out neither among units nor among blocks
    assert found["p_value_units"] > 0.1
    assert found["p_value_blocks"] > 0.1


def test_published_walkthrough_of_two_cities(run: Command) -> None:
    """GeoLift's own walkthrough: Chicago and Portland, first half of April."""
    spec = {
        "data": str(data("data/growth/geolift_test.csv")), "unit": "location", "time": "date",
        "value": "Y", "treated": ["chicago", "portland"], "test": ["2021-04-01", "2021-04-15"],
    }  # fmt: skip
    found = run("synth", spec)
    assert found["att"] == pytest.approx(155.556, abs=0.01)
    assert found["percent_lift"] == pytest.approx(5.4, abs=0.05)
    assert found["incremental"] == pytest.approx(4667, abs=1)
    assert found["l2_imbalance"] == pytest.approx(909.489, abs=0.01)
    assert found["scaled_l2_imbalance"] == pytest.approx(0.1636, abs=0.0001)
    assert found["p_value_blocks"] < 0.05


def territories(folder: Path, effect: float, cost: float) -> dict[str, Any]:
    random = np.random.default_rng(4)
    rows = ["date,unit,response,cost"]
    level = random.uniform(50, 150, 12)
    for day in range(60):
        common = 1 + 0.2 * np.sin(day / 5)
        for unit in range(12):
            treated = unit < 4 and day >= 45
            value = level[unit] * common + random.normal(0, 2) + (effect if treated else 0)
            when = np.datetime64("2025-01-01") + day
            rows.append(f"{when},u{unit},{value:.4f},{cost if treated else 0}")
    (folder / "d.csv").write_text("\n".join(rows))
    groups = ["unit,group", *(f"u{unit},{2 if unit < 4 else 1}" for unit in range(12))]
    (folder / "g.csv").write_text("\n".join(groups))
    return {
        "data": "d.csv", "assignment": "g.csv", "control_group": 1, "treatment_group": 2,
        "columns": {"cost": "cost"}, "pre": ["2025-01-01", "2025-02-14"],
        "test": ["2025-02-15", "2025-03-01"], "level": 0.9, "tails": 2,
    }  # fmt: skip


def test_a_planted_lift_in_territories_is_found_and_a_planted_null_is_not(
    run: Command, tmp_path: Path
) -> None:
    spec = territories(tmp_path, 5.0, 10.0)
    found = run("tbr", spec)
    assert found["lower"] < 0.5 < found["upper"]
    assert found["lower"] > 0
    synth = {"data": "d.csv", "unit": "unit", "time": "date", "value": "response",
             "treated": ["u0", "u1", "u2", "u3"], "test": spec["test"]}  # fmt: skip
    lifted = run("synth", synth)
    assert lifted["att"] == pytest.approx(5, abs=2)
    spec = territories(tmp_path, 0.0, 0.0)
    nothing = run("tbr", spec)
    assert abs(nothing["incremental_response"]) < 2 * nothing["standard_error"]
    assert nothing["estimate"] is None  # no cost, no return on it
    assert nothing["incremental_cost"] == 0
    assert run("synth", synth)["p_value_units"] > 0.1


def test_x7_weights_are_the_best_on_the_simplex() -> None:
    random = np.random.default_rng(0)
    donors, target = random.normal(size=(6, 30)), random.normal(size=30)
    weights = simplex_weights(donors, target)
    assert weights.sum() == pytest.approx(1)
    assert (weights >= 0).all()
    # at the best point no move towards a corner helps (Frank-Wolfe gap)
    gradient = donors @ (weights @ donors - target)
    assert gradient @ weights - gradient.min() < 1e-9


# --- chance --------------------------------------------------------------------------------------


def looks(rate_b: float, tests: int, seed: int) -> tuple[float, float, float]:
    """How often 20 looks find something: the t-test, the always-valid one, and it at the end."""
    random = np.random.default_rng(seed)
    fixed = valid = last = 0
    for _ in range(tests):
        a = np.cumsum(random.binomial(100, 0.1, 20))
        b = np.cumsum(random.binomial(100, rate_b, 20))
        n = 100 * np.arange(1, 21)
        p, q = a / n, b / n
        var = (p * (1 - p) + q * (1 - q)) / n
        fixed += bool((np.abs(q - p) > 1.96 * np.sqrt(var)).any())
        hits = [
            sequential(q[i] - p[i], var[i], 2 * n[i], 0.05, 2000)["p_value"] < 0.05
            for i in range(20)
        ]
        valid += any(hits)
        last += hits[-1]
    return fixed / tests, valid / tests, last / tests


def test_x5_an_a_a_test_looked_at_20_times_alarms_in_at_most_5_percent() -> None:
    fixed, valid, _ = looks(0.1, 2000, 3)
    assert fixed > 0.15  # why one may not look at a t-test every day
    assert valid <= 0.05


def test_x5_a_planted_lift_is_found() -> None:
    assert looks(0.16, 300, 5)[2] > 0.9


def test_x5_p_value_and_interval_say_the_same() -> None:
    for d in np.linspace(-0.1, 0.1, 41):
        found = sequential(d, 1e-4, 4000, 0.05, 2000)
        outside = found["ci"][0] > 0 or found["ci"][1] < 0
        assert outside == (found["p_value"] < 0.05)


def test_x9_units_needed_and_power_agree(run: Command) -> None:
    spec = {"metric": "proportion", "a": 0.05, "b": 0.075}
    needed = run("power", spec)["n_per_arm"]
    assert needed == pytest.approx(1470, abs=5)
    assert run("power", spec | {"n": needed})["power"] == pytest.approx(0.8, abs=0.001)
    known = run("power", spec | {"correlation_before": 0.6})["n_per_arm"]
    assert known == pytest.approx(needed * 0.64, rel=0.01)


def test_published_game_test_day_7_falls_and_day_1_stays_uncertain(run: Command) -> None:
    import duckdb

    rows = duckdb.execute(
        "SELECT version, count(*), sum(retention_1::INT), sum(retention_7::INT) "
        "FROM read_parquet(?) GROUP BY 1 ORDER BY 1", [str(data("crm/ab_cookie_cats.parquet"))],
    ).fetchall()  # fmt: skip
    (_, n_a, day1_a, day7_a), (_, n_b, day1_b, day7_b) = rows
    results = [
        run("ab", {"metric": "proportion", "a": {"n": n_a, "sum": a}, "b": {"n": n_b, "sum": b}})
        for a, b in ((day1_a, day1_b), (day7_a, day7_b))
    ]
    assert results[0]["p_value"] > 0.05
    assert results[0]["ci"][0] < 0 < results[0]["ci"][1]
    assert results[1]["estimate"] == pytest.approx(-0.0082, abs=0.0001)
    assert results[1]["p_value"] < 0.01
    assert results[1]["ci"][1] < 0


# --- input and edges -----------------------------------------------------------------------------


def arms(**changes: Any) -> dict[str, Any]:
    return {
        "metric": "proportion",
        "a": {"n": 100, "sum": 10},
        "b": {"n": 100, "sum": 10},
    } | changes


def test_x2_a_wrong_split_withholds_the_result(run: Command) -> None:
    spec = arms(a={"n": 1000, "sum": 60}, b={"n": 1200, "sum": 85}, weights=[0.5, 0.5])
    found = run("ab", spec, status=1)
    assert found["estimate"] is None
    assert found["srm"]["flag"] is True
    assert found["warnings"][0]["code"] == "SRM"


def test_x2_all_zero_is_no_evidence(run: Command) -> None:
    found = run("srm", {"counts": [0, 0], "weights": [0.5, 0.5]})
    assert (found["p_value"], found["flag"], found["chi2"]) == (1, False, 0)


def test_nothing_to_judge_by_gives_no_p_value(run: Command) -> None:
    none = {"n": 50, "sum": 0}
    found = run("ab", arms(a=none, b=none))
    assert (found["estimate"], found["p_value"], found["ci"]) == (0, None, None)
    assert found["warnings"][0]["code"] == "ZERO_VARIANCE"
    found = run("ab", arms(a=none, effect="relative"))
    assert found["estimate"] is None
    assert found["warnings"][0]["code"] == "ZERO_BASE"


@pytest.mark.parametrize(
    ("kind", "spec", "field"),
    [
        ("ab", arms(a={"n": 1, "sum": 1}), "a: n"),
        ("ab", arms(a={"n": 10, "sum": 11}), "a: sum"),
        ("ab", arms(effect="other"), "effect"),
        ("ab", arms(method="bayes"), "method"),
        ("ab", arms(alpha=1), "alpha"),
        ("ab", arms(metric="mean"), "a: sum_squares"),
        ("ab", {"metric": "mean", "a": {"n": 10, "sum": 100, "sum_squares": 5}, "b": {}},
         "a: sum_squares"),
        ("srm", {"counts": [1, 2], "weights": [1]}, "counts"),
        ("srm", {"counts": [1.5, 2], "weights": [0.5, 0.5]}, "counts"),
        ("srm", {"counts": [1, 2], "weights": [0, 1]}, "weights"),
        ("assign", {"salt": "s", "weights": [0.5, 0.6], "units": []}, "weights"),
        ("assign", {"salt": "s", "weights": [1.0], "units": [""]}, "units"),
        ("tbr", {"pre": ["2025-02-01", "2025-01-01"], "test": ["2025-03-01", "2025-03-02"]}, "pre"),
        ("synth", {"unit": "u", "time": "t", "value": "v", "data": "nowhere.csv"}, "data"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named_with_what_is_legal(
    kind: str, spec: dict[str, Any], field: str, run: Command
) -> None:
    error = run(kind, spec, status=2)["error"]
    assert error["code"] == "growth.spec"
    assert error["where"].endswith(f"spec.json: {field}")
    assert error["remedy"]


def test_broken_json_is_named_by_line(run: Command) -> None:
    error = run("ab", '{\n "a": 1,\n "b" 2}', status=2)["error"]
    assert error["where"].endswith("spec.json:3")


def test_scipy_missing_is_said_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    import opensma.growth.scientific as scientific
    from opensma.errors import OpensmaError

    def no_import(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr(scientific, "import_module", no_import)
    with pytest.raises(OpensmaError) as caught:
        compare(Spec(arms(), "spec.json", Path()))
    assert caught.value.code == "growth.scipy_missing"
    assert "opensma[growth]" in caught.value.remedy
