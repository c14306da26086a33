"""Customer lifetime value: the cases through the real command, and the models by their meaning."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("scipy", reason='scipy is not installed: pip install "opensma[growth]"')

from tests.growth.files import Command, case, command, data

from opensma.growth.clv import contracts, purchases
from opensma.growth.clv.histories import read_transactions


@pytest.fixture
def sma(capsys: pytest.CaptureFixture[str]) -> Command:
    return command(capsys)


# --- published figures ---------------------------------------------------------------------------


def test_case_of_cd_buyers(sma: Command) -> None:
    expected = case("clv_bgnbd_cdnow")
    want, tolerance = expected["expected"], expected["tolerance"]
    ask = ("clv", "--model", "bgnbd", "--transactions")
    found = sma(*ask, data(expected["inputs"]["transactions"]),
                "--predict", "x=2,tx=30.43,T=38.86,t=39")  # fmt: skip
    assert found["n_customers"] == want["n_customers"]
    assert found["n_repeat_customers"] == want["n_repeat_customers"]
    assert found["params"] == pytest.approx(want["params"], rel=tolerance["params_rel"])
    assert found["params"] == pytest.approx(expected["published"]["params"], abs=0.0015)
    assert found["log_likelihood"] == pytest.approx(want["log_likelihood"], abs=0.02)
    assert found["observation_end"] == "1997-09-30"
    assert found["prediction"]["expected_purchases"] == pytest.approx(1.225906867, rel=0.005)
    assert found["prediction"]["p_alive"] == pytest.approx(0.7266091797, rel=0.005)
    assert found["totals"]["expected_purchases"] == pytest.approx(1653.408734, rel=0.005)
    for low, high in found["intervals"].values():
        assert 0 < low < high


def test_the_time_after_observation_is_the_hold_out(sma: Command) -> None:
    found = sma("clv", "--model", "bgnbd", "--transactions",
                data("data/growth/cdnow_transactions.csv"), "--observation-end", "1997-09-30",
                "--predict", "x=0,tx=0,T=0,t=52")  # fmt: skip
    assert found["log_likelihood"] == pytest.approx(-9582.429207, abs=0.02)
    assert found["hold_out"]["actual"] == 1882
    assert found["hold_out"]["time_ahead"] == 39
    assert found["hold_out"]["expected"] == pytest.approx(1653.408734, rel=0.005)
    assert found["prediction"]["expected_purchases"] == pytest.approx(1.44401244, rel=0.005)


def test_published_pareto_nbd_and_gamma_gamma_of_cd_buyers(sma: Command) -> None:
    file = data("data/growth/cdnow_transactions_39w.csv")
    found = sma("clv", "--model", "pnbd", "--transactions", file)
    published = {"r": 0.553, "alpha": 10.578, "s": 0.606, "beta": 11.669}
    assert found["params"] == pytest.approx(published, rel=0.002)
    assert found["log_likelihood"] == pytest.approx(-9595.0, abs=0.05)
    spend = sma("clv", "--model", "gg", "--transactions", file, "--predict", "x=0,m=0")
    assert spend["params"] == pytest.approx({"p": 6.25, "q": 3.74, "v": 15.44}, rel=0.003)
    p, q, v = spend["params"].values()
    assert spend["prediction"]["expected_mean_spend"] == pytest.approx(p * v / (q - 1))


@pytest.mark.parametrize("cohort", ["regular", "high_end"])
def test_case_of_renewals(cohort: str, sma: Command) -> None:
    expected = case("clv_sbg")
    want, tolerance = expected["expected"][cohort], expected["tolerance"]
    found = sma("clv", "--model", "sbg", "--survival", data(expected["input"]), "--cohort", cohort,
                "--fit-periods", 7)  # fmt: skip
    for name in ("alpha", "beta"):
        assert found["params"][name] == pytest.approx(want[name], abs=tolerance["params_abs"])
    assert found["log_likelihood"] == pytest.approx(want["log_likelihood"], abs=0.001)
    assert found["survival_pct"] == pytest.approx(want["survival_pct_0_12"], abs=0.02)
    assert found["retention_rate"] == pytest.approx(want["retention_rate_1_12"], abs=1e-4)
    life = want["discounted_expected_lifetime_10pct"]
    assert found["discounted_expected_lifetime"] == pytest.approx(life, rel=0.001)
    assert found["hold_out"]["periods"] == 5


def test_case_of_donors(sma: Command) -> None:
    expected = case("clv_bgbb_donations")
    want = expected["expected"]
    found = sma("clv", "--model", "bgbb", "--rfm", data(expected["input"]))
    assert found["n_customers"] == 11_104
    assert found["params"] == pytest.approx(want["params"], rel=0.002)
    assert found["log_likelihood"] == pytest.approx(want["log_likelihood"], abs=0.05)
    assert found["totals"]["expected_purchases"] == pytest.approx(
        want["sum_expected_next_5"], abs=1
    )
    alive = {f"x={r['x']:g} t_x={r['tx']:g} n={r['n']:g}": r["p_alive"] for r in found["rows"]}
    for key, chance in want["p_alive_next_year"].items():
        assert alive[key] == pytest.approx(chance, abs=0.005)


def test_case_of_fees(sma: Command, tmp_path: Path) -> None:
    one = case("worked_examples")["fee_clv"]
    file, want = tmp_path / "account.json", one["expected"]

    def of(**changes: Any) -> Any:
        file.write_text(json.dumps(one["inputs"] | changes))
        return sma("clv", "--model", "fee", "--account", file)

    flat = of(tiers_bps=None)
    assert flat["ex_market"] == pytest.approx(want["flat_ex_market"], abs=0.01)
    assert flat["with_market"] == pytest.approx(want["flat_with_market"], abs=0.01)
    assert flat["market_line"] == pytest.approx(want["market_line"], abs=0.01)
    tiered = of(flat_bps=None)
    assert tiered["ex_market"] == pytest.approx(want["tiered_ex_market"], abs=0.01)
    assert of(platform_share=0.25, tiers_bps=None)["ex_market"] == pytest.approx(
        0.75 * flat["ex_market"]
    )
    # tiers apply to each account: the mean of a spread costs less than the spread's mean says
    spread, mean = (of(flat_bps=None, aum=aum) for aum in ([100_000, 1_900_000], [1_000_000] * 2))
    assert spread["ex_market"] != pytest.approx(mean["ex_market"], rel=0.01)


# --- meaning -------------------------------------------------------------------------------------


def simulated(seed: int) -> tuple[np.ndarray, ...]:
    """Customers who buy at a gamma rate and leave after a purchase with a beta chance."""
    random = np.random.default_rng(seed)
    rows = []
    for _ in range(1500):
        rate, leaves = random.gamma(0.8, 1 / 5.0), random.beta(1.2, 3.0)
        time, x, last = 0.0, 0, 0.0
        while True:
            time += random.exponential(1 / rate)
            if time > 50:
                break
            x, last = x + 1, time
            if random.random() < leaves:
                break
        rows.append((x, last, 50.0))
    return tuple(np.array(rows).T)


def test_v2_the_fit_finds_the_customers_it_was_made_of() -> None:
    from opensma.growth.clv.histories import Histories

    x, t_x, t = simulated(3)
    fit = purchases.fit_bgnbd(Histories(x, t_x, t, np.zeros_like(x)))
    assert fit.intervals is not None
    for name, true in {"r": 0.8, "alpha": 5.0, "a": 1.2, "b": 3.0}.items():
        low, high = fit.intervals[name]
        assert low / 1.1 < true < high * 1.1


def test_v2_expected_purchases_are_the_published_form() -> None:
    """Euler's form equals the formula as it is printed, where that can be computed."""
    from scipy.special import hyp2f1

    r, alpha, a, b = params = (0.243, 4.414, 0.793, 2.426)
    for x, t_x, t, ahead in ((2, 30.43, 38.86, 39), (0, 0, 10, 5), (9, 20, 31, 52)):
        z = ahead / (alpha + t + ahead)
        power = ((alpha + t) / (alpha + t + ahead)) ** (r + x)
        printed = (a + b + x - 1) / (a - 1) * (
            1 - power * hyp2f1(r + x, b + x, a + b + x - 1, z)
        ) * purchases.alive_bgnbd(params, x, t_x, t)  # fmt: skip
        assert purchases.expected_bgnbd(params, x, t_x, t, ahead) == pytest.approx(printed)
    heavy = purchases.expected_bgnbd(params, 5000, 51.999, 52.0, 52)
    # The printed form overflows here. By hand: 88.6 a week, and the chance to stay for k more
    # purchases falls as (1 + k / 5000)^-a; the sum of it up to 52 weeks.
    more = 5000 / (4.414 + 52) * 52
    by_hand = 5000 * ((1 + more / 5000) ** (1 - a) - 1) / (1 - a)
    assert heavy == pytest.approx(by_hand, rel=0.01)


def test_v4_many_purchases_do_not_underflow() -> None:
    params = (0.553, 10.578, 0.606, 11.669)
    assert 0.99 < purchases.alive_pnbd(params, 900, 51.99, 52.0) <= 1
    assert purchases.alive_pnbd(params, 900, 30.0, 52.0) < 1e-6


def test_v3_a_constant_hazard_understates_life() -> None:
    params = (0.668, 3.806)
    retention = contracts.survival_sbg(params, 7) ** (1 / 7)
    assert contracts.survival_sbg(params, 60) > 1.5 * retention**60


def test_v7_the_chances_of_all_histories_add_up_to_one() -> None:
    from itertools import product

    total = 0.0
    for history in product((0, 1), repeat=5):
        x = sum(history)
        t_x = max((i for i, gave in enumerate(history, 1) if gave), default=0)
        total += float(np.exp(contracts._log_likelihood((1.2, 0.75, 0.66, 2.8), x, t_x, 5))[0])
    assert total == pytest.approx(1)


def test_v1_rows_of_one_day_are_one(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text(
        "customer_id,date,amount\na,2025-01-01,5\na,2025-01-15,3\na,2025-01-15,4\na,2025-01-08,1\n"
        "b,2025-01-01,9\nb,2025-01-01,9\n"
    )
    found = read_transactions(file)
    assert found.x.tolist() == [2, 0]
    assert found.t_x.tolist() == [2, 0]
    assert found.t.tolist() == [2, 2]
    assert found.mean_spend.tolist() == [4, 0]


# --- input ---------------------------------------------------------------------------------------


def test_few_customers_warn_and_none_that_returns_is_an_error(sma: Command, tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    rows = [f"{i},2025-0{1 + j}-0{1 + i % 7},{10 + i}" for i in range(9) for j in range(1 + i % 3)]
    file.write_text("\n".join(["customer_id,date,amount", *rows]))
    found = sma("clv", "--model", "bgnbd", "--transactions", file)
    assert "SMALL_N" in {w["code"] for w in found["warnings"]}
    file.write_text("customer_id,date,amount\n1,2025-01-01,3\n2,2025-01-02,3\n")
    for model in ("bgnbd", "pnbd", "gg"):
        error = sma("clv", "--model", model, "--transactions", file, status=2)["error"]
        assert error["code"] == "growth.no_repeats"
    file.write_text("customer_id,date,amount\n")
    error = sma("clv", "--model", "pnbd", "--transactions", file, status=2)["error"]
    assert error["code"] == "growth.no_customers"


@pytest.mark.parametrize(
    ("row", "code"),
    [("a,2025-13-01,1", "input.date"), ("a,2025-01-01,x", "growth.number"),
     (",2025-01-01,1", "growth.customer")],
)  # fmt: skip
def test_a_wrong_row_is_named_by_file_and_line(
    row: str, code: str, sma: Command, tmp_path: Path
) -> None:
    file = tmp_path / "t.csv"
    file.write_text(f"customer_id,date,amount\na,2025-01-01,1\n{row}\n")
    error = sma("clv", "--model", "bgnbd", "--transactions", file, status=2)["error"]
    assert error["where"] == f"{file}:3"
    assert code in (error["code"], "input.date")


def test_wrong_options_say_what_is_legal(sma: Command, tmp_path: Path) -> None:
    error = sma("clv", "--model", "sbg", status=2)["error"]
    assert (error["code"], error["where"]) == ("growth.file", "--survival")
    survival = data("data/growth/sbg_survival.csv")
    error = sma("clv", "--model", "sbg", "--survival", survival, status=2)["error"]
    assert (error["where"], error["remedy"]) == ("--cohort", "Choose one of regular, high_end.")
    error = sma("clv", "--model", "sbg", "--survival", survival, "--cohort", "regular",
                "--fit-periods", 13, status=2)["error"]  # fmt: skip
    assert error["remedy"] == "Give 1 to 12."
    file = tmp_path / "a.json"
    file.write_text('{"aum": 5, "monthly_closure": 0.01, "tiers_bps": [[0, 10, 5], [11, null, 3]]}')
    error = sma("clv", "--model", "fee", "--account", file, status=2)["error"]
    assert error["where"].endswith("tiers_bps")
