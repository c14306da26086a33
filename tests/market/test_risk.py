"""The risk model: known at its day, exact in form, and right out of sample."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from opensma.errors import MarketError
from opensma.market import Market, estimate_risk, open_market
from opensma.market.risk_quality import BiasRow, bias_statistics, dates, optimise


def same(first: object, second: object) -> bool:
    names = ("loadings", "factor_cov", "specific_var", "valid")
    return all(np.array_equal(getattr(first, n), getattr(second, n)) for n in names)


# --- look-ahead ----------------------------------------------------------------------------------


def test_prices_volumes_and_shares_after_the_day_change_nothing(small: Market) -> None:
    day = small.day(300)
    close, volume = small.close_micros.copy(), small.volume.copy()
    close[301:] = np.maximum(close[301:] * 3, 0) + 17
    volume[301:] = 1
    counts = small.shares_outstanding
    shares = np.where(counts.day > day.toordinal(), 1, counts.shares)
    altered = replace(
        small,
        close_micros=close,
        volume=volume,
        shares_outstanding=replace(counts, shares=shares),
    )
    assert same(estimate_risk(small, day), estimate_risk(altered, day))


def test_the_model_of_a_day_is_the_model_of_a_market_that_ends_there(small: Market) -> None:
    day = small.day(300)
    assert same(estimate_risk(small, day), estimate_risk(small.until(day), day))


def test_a_price_of_the_day_itself_is_known(small: Market) -> None:
    close = small.close_micros.copy()
    close[300] = np.where(close[300] > 0, close[300] * 11 // 10, 0)
    altered = replace(small, close_micros=close)
    day = small.day(300)
    assert not same(estimate_risk(small, day), estimate_risk(altered, day))


# --- form ----------------------------------------------------------------------------------------


def test_the_covariance_is_symmetric_and_positive(small: Market) -> None:
    model = estimate_risk(small, small.day(-1))
    assert np.array_equal(model.factor_cov, model.factor_cov.T)
    assert np.linalg.eigvalsh(model.factor_cov).min() > 0
    assert (model.specific_var[model.valid] > 0).all()
    assert len(model.factor_name) == model.loadings.shape[1] == len(model.factor_cov)
    full = model.loadings @ model.factor_cov @ model.loadings.T + np.diag(model.specific_var)
    weights = np.random.default_rng(1).normal(size=(5, len(model.valid)))
    assert np.allclose(model.variance(weights), np.einsum("pi,ij,pj->p", weights, full, weights))
    assert model.variance(weights[0]) == pytest.approx(model.variance(weights)[0])


def test_securities_without_a_price_have_no_risk_and_the_others_have(generated: Market) -> None:
    model = estimate_risk(generated, generated.day(-1))
    gone = np.array([until < generated.days[-1] for until in generated.listed_until])
    assert gone.any()
    assert not model.valid[gone].any()
    assert not model.loadings[gone].any()
    assert not model.specific_var[gone].any()
    volatility = np.sqrt(np.diag(model.loadings @ model.factor_cov @ model.loadings.T)
                         + model.specific_var)[model.valid]  # fmt: skip
    assert 0.05 < volatility.min() < volatility.max() < 2.0


def test_a_name_listed_for_a_few_weeks_gets_its_sectors_typical_risk(generated: Market) -> None:
    listed = np.argmax(generated.close_micros > 0, axis=0)
    young = int(np.argmax(np.where(listed < len(generated.days) - 40, listed, 0)))
    row = int(listed[young]) + 10
    model = estimate_risk(generated, generated.day(row))
    assert model.valid[young]
    peers = model.valid & (generated.sector_code == generated.sector_code[young])
    assert model.specific_var[young] == pytest.approx(np.median(model.specific_var[peers]), rel=0.6)


def test_too_short_a_history_is_an_error(small: Market) -> None:
    with pytest.raises(MarketError, match="needs 60 sessions"):
        estimate_risk(small, small.day(59))
    with pytest.raises(MarketError, match="quality test needs"):
        bias_statistics(small.until(small.day(260)))


# --- quality -------------------------------------------------------------------------------------


def table(rows: tuple[BiasRow, ...]) -> dict[tuple[str, str], BiasRow]:
    return {(row.model, row.family): row for row in rows}


def test_the_forecast_is_right_on_a_small_generated_market(small: Market) -> None:
    found = table(bias_statistics(small, portfolios=10, step=42))
    for family in ("random", "benchmark-relative"):
        assert 0.75 < found["risk model", family].mean_bias < 1.3
        assert found["risk model", family].qlike < 1.2 * found["sample", family].qlike


def test_a_wrong_forecast_is_seen(small: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model with a quarter of the variance has twice the bias."""
    from opensma.market import risk_quality

    right = table(bias_statistics(small, portfolios=5, step=60))["risk model", "random"]

    def timid(*given: object) -> object:
        model = estimate_risk(*given)  # type: ignore[arg-type]
        return replace(model, factor_cov=model.factor_cov / 4, specific_var=model.specific_var / 4)

    monkeypatch.setattr(risk_quality, "estimate_risk", timid)
    wrong = table(bias_statistics(small, portfolios=5, step=60))["risk model", "random"]
    assert wrong.mean_bias == pytest.approx(2 * right.mean_bias)
    assert wrong.qlike > right.qlike


def test_optimised_portfolios_are_those_of_the_full_covariance(small: Market) -> None:
    model = estimate_risk(small, small.day(-1))
    score = np.random.default_rng(2).normal(size=(3, len(model.valid)))
    full = model.loadings @ model.factor_cov @ model.loadings.T + np.diag(model.specific_var)
    inside = np.ix_(model.valid, model.valid)
    expected = np.linalg.solve(full[inside], score[:, model.valid].T).T
    expected /= np.abs(expected).sum(axis=1, keepdims=True)
    assert np.allclose(optimise(model, score)[:, model.valid], expected, atol=1e-9)


def test_every_date_of_the_test_is_followed_by_its_returns(small: Market) -> None:
    assert dates(small, 21)[0] == 252
    assert dates(small, 21)[-1] + 21 <= len(small.days) - 1
    assert not dates(small.until(small.day(260)), 21)


@pytest.mark.slow
def test_on_the_real_market_the_bias_is_near_1_and_the_sample_covariance_is_beaten(
    real_market: Path,
) -> None:
    found = table(bias_statistics(open_market(real_market), step=42))
    for family in ("random", "benchmark-relative"):
        row = found["risk model", family]
        assert 0.8 < row.low_bias < row.mean_bias < row.high_bias < 1.2
        assert 0.95 < row.mean_bias < 1.06
    for family in ("random", "benchmark-relative", "optimised"):
        assert found["risk model", family].qlike < found["sample", family].qlike

    def error(model: str) -> float:
        return found[model, "random"].mean_error + found[model, "benchmark-relative"].mean_error

    assert error("risk model") < error("sample")
