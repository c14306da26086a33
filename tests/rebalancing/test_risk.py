"""Any risk model becomes factors: what is exact, what is fitted, and which units are refused."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import opensma
from opensma.errors import InputError
from opensma.rebalancing.risk import FactorModel, factor_model, from_dense


def built(n: int, k: int, seed: int = 0) -> FactorModel:
    """A model of k factors with stock-like volatilities."""
    rng = np.random.default_rng(seed)
    loadings = np.column_stack([rng.normal(1.0, 0.2, n), rng.normal(0.0, 0.5, (n, k - 1))])
    cov = np.diag([0.03, *np.full(k - 1, 0.004)])
    names = tuple(f"T{row:03d}" for row in range(n))
    factors = tuple(f"f{column}" for column in range(k))
    return FactorModel(names, loadings, cov, rng.uniform(0.02, 0.12, n), factors)


def test_a_small_dense_covariance_is_kept_exactly() -> None:
    dense = built(40, 3).covariance()
    found = from_dense(tuple(built(40, 3).securities), dense)
    assert np.allclose(found.covariance(), dense, rtol=0, atol=1e-14)
    assert found.correlation_error < 1e-12
    assert (found.specific_var > 0).all()


def test_a_singular_covariance_is_kept_to_a_sliver() -> None:
    rng = np.random.default_rng(1)
    half = rng.normal(0.0, 0.1, (10, 4))
    dense = half @ half.T + 0.0
    found = from_dense(tuple("ABCDEFGHIJ"), dense)
    assert np.allclose(found.covariance(), dense, rtol=0, atol=1e-8)
    assert (found.specific_var > 0).all()


def test_a_large_one_with_few_true_factors_is_found_again() -> None:
    true = built(250, 8)
    found = from_dense(true.securities, true.covariance())
    assert found.loadings.shape == (250, 60)
    assert np.allclose(np.diag(found.covariance()), np.diag(true.covariance()), rtol=1e-9)
    assert found.correlation_error < 2e-3


@pytest.mark.parametrize("common", [0.0, 0.5])
def test_a_covariance_without_or_with_one_factor_only_is_no_trouble(common: float) -> None:
    dense = 0.04 * ((1.0 - common) * np.eye(150) + common * np.ones((150, 150)))
    found = from_dense(tuple(map(str, range(150))), dense)
    assert found.correlation_error < 1e-5
    assert np.allclose(np.diag(found.covariance()), 0.04)


def test_what_cannot_be_exact_says_by_how_much() -> None:
    rng = np.random.default_rng(2)
    half = rng.normal(0.0, 0.1, (120, 240))  # no factors at all: the worst case
    dense = half @ half.T / 24
    few = from_dense(tuple(map(str, range(120))), dense, max_factors=5)
    more = from_dense(tuple(map(str, range(120))), dense, max_factors=60)
    exact = from_dense(tuple(map(str, range(120))), dense, max_factors=120)
    assert few.correlation_error > more.correlation_error > 1e-3
    assert exact.correlation_error < 1e-12
    scale = np.sqrt(np.diag(dense))
    worst = np.abs((few.covariance() - dense) / np.outer(scale, scale)).max()
    assert few.correlation_error == pytest.approx(worst)


TRUE = built(6, 2)
NAMES = list(TRUE.securities)
FRAME = pd.DataFrame(TRUE.loadings, index=NAMES, columns=["f0", "f1"])
COV = pd.DataFrame(TRUE.factor_cov, index=["f0", "f1"], columns=["f0", "f1"])
DENSE = TRUE.covariance()


@dataclass
class Distribution:
    """What skfolio's ReturnDistribution shows."""

    covariance: Any
    factor_model: Any = None


SKFOLIO_FACTORS = SimpleNamespace(
    loading_matrix=TRUE.loadings, factor_covariance=TRUE.factor_cov / 252, asset_names=NAMES,
    idio_covariance=np.diag(TRUE.specific_var) / 252, factor_names=["f0", "f1"],
)  # fmt: skip


@pytest.mark.parametrize(
    ("risk", "more"),
    [
        (TRUE, {}),
        ((FRAME, COV, pd.Series(TRUE.specific_var, index=NAMES)), {}),
        ((FRAME, COV.iloc[::-1, ::-1], dict(zip(NAMES, TRUE.specific_var, strict=True))), {}),
        ((TRUE.loadings, TRUE.factor_cov, TRUE.specific_var), {"securities": NAMES}),
        ({"exposures": FRAME, "factor_covariance": COV, "specific_var": TRUE.specific_var}, {}),
        (
            (
                {"ticker": NAMES, "f0": TRUE.loadings[:, 0], "f1": TRUE.loadings[:, 1]},
                {"factor": ["f1", "f0"], "f1": [0.004, 0.0], "f0": [0.0, 0.03]},
                {"ticker": NAMES, "specific_var": TRUE.specific_var},
            ),
            {},
        ),
        (DENSE, {"securities": NAMES}),
        (DENSE.tolist(), {"securities": NAMES}),
        (pd.DataFrame(DENSE, index=NAMES, columns=NAMES), {}),
        ({"security": NAMES, **dict(zip(NAMES, DENSE, strict=True))}, {}),
        (SimpleNamespace(covariance_=DENSE, feature_names_in_=np.array(NAMES)), {}),
        (Distribution(DENSE / 252), {"securities": NAMES, "periods_per_year": 252}),
        (
            SimpleNamespace(
                return_distribution_=Distribution(DENSE / 252), feature_names_in_=NAMES
            ),
            {"periods_per_year": 252},
        ),
        (Distribution(None, SKFOLIO_FACTORS), {"periods_per_year": 252}),
    ],
)
def test_every_way_of_giving_a_model_is_the_same_model(risk: Any, more: dict[str, Any]) -> None:
    found = factor_model(risk, **more)
    assert list(found.securities) == NAMES
    assert np.allclose(found.covariance(), DENSE, rtol=0, atol=1e-12)


def test_a_security_that_skfolio_cannot_invest_in_is_left_out() -> None:
    dense = DENSE.copy()
    dense[2, :] = dense[:, 2] = np.nan
    found = factor_model(SimpleNamespace(covariance_=dense, feature_names_in_=NAMES))
    assert list(found.securities) == [name for name in NAMES if name != NAMES[2]]


@pytest.mark.parametrize(
    ("risk", "code"),
    [
        (DENSE / 252, "risk_unit"),
        (DENSE * 1e4, "risk_unit"),
        (DENSE[:, :4], "risk_shape"),
        (-DENSE, "risk_variance"),
        (DENSE + np.triu(np.full((6, 6), 0.01), 1), "risk_symmetric"),
        (0.1 * np.eye(6) - 0.08 * (np.ones((6, 6)) - np.eye(6)), "risk_semidefinite"),
        ((TRUE.loadings, TRUE.factor_cov), "risk_parts"),
        ((TRUE.loadings, np.eye(3), TRUE.specific_var), "risk_shape"),
        ((TRUE.loadings, TRUE.factor_cov, TRUE.specific_var * 0), "risk_specific"),
        ((TRUE.loadings * np.nan, TRUE.factor_cov, TRUE.specific_var), "risk_number"),
    ],
)
def test_a_model_that_cannot_be_meant_is_refused(risk: Any, code: str) -> None:
    with pytest.raises(InputError) as caught:
        factor_model(risk, NAMES)
    assert caught.value.code == f"rebalance.{code}"
    assert caught.value.where
    assert caught.value.remedy


def test_rows_without_names_are_refused() -> None:
    with pytest.raises(InputError, match="does not say which securities"):
        factor_model(DENSE)


# --- files of vendors --------------------------------------------------------------------------


BARRA = {
    "exposures": """!Model: TEST
!Barrid|Factor|Exposure|DataDate
USA001|T_SIZE|1.25|20250630
USA001|T_BANKS|1|20250630
USA002|T_SIZE|-0.5|20250630
[End of File]
""",
    "covariance": """!Factor1|Factor2|VarCovar|DataDate
T_SIZE|T_SIZE|400.0|20250630
T_SIZE|T_BANKS|30|20250630
T_BANKS|T_BANKS|900|20250630
[End of File]
""",
    "asset_data": """!Barrid|Yield%|TotalRisk%|SpecRisk%|HistBeta|PredBeta|DataDate
USA001|1.0|40|20|1|1|20250630
USA002|0.0|30|25.5|1|1|20250630
[End of File]
""",
}
AXIOMA = {
    "exposures": """#DataDate: 2025-06-30
#FlatFileVersion: 4.0
#Columns: AxiomaID|Size|Banks
#Type: AxiomaID|Style|Industry
USA001|1.25|1
USA002|-0.5|
""",
    "covariance": """#DataDate: 2025-06-30
#Columns: FactorName|Size|Banks
Size|400|30
Banks|30|900
""",
    "specific": """#DataDate: 2025-06-30
#Columns: AxiomaID|Specific Risk|Predicted Beta
#Type: ID|Attribute|Attribute
#Unit: ID|Percent|Number
USA001|20|1.1
USA002|25.5|0.9
DCSH_USD||
""",
}
EXPECTED = np.array([[1.25, 1.0], [-0.5, 0.0]])
EXPECTED_DENSE = EXPECTED @ np.array([[0.04, 0.003], [0.003, 0.09]]) @ EXPECTED.T
EXPECTED_DENSE = EXPECTED_DENSE + np.diag([0.04, 0.255**2])


def written(folder: Path, files: dict[str, str]) -> dict[str, Path]:
    for name, text in files.items():
        (folder / name).write_text(text)
    return {name: folder / name for name in files}


def test_barra_files_are_read_in_percent(tmp_path: Path) -> None:
    found = opensma.read_barra(**written(tmp_path, BARRA))
    assert found.securities == ("USA001", "USA002")
    assert found.factors == ("T_SIZE", "T_BANKS")
    assert np.allclose(found.covariance(), EXPECTED_DENSE)


def test_axioma_files_are_read_in_percent_and_map_to_your_names(tmp_path: Path) -> None:
    paths = written(tmp_path, AXIOMA)
    assert np.allclose(opensma.read_axioma(**paths).covariance(), EXPECTED_DENSE)
    found = opensma.read_axioma(**paths, ids={"USA002": "MSFT"})
    assert found.securities == ("MSFT",)
    assert found.covariance()[0, 0] == pytest.approx(EXPECTED_DENSE[1, 1])


@pytest.mark.parametrize("separator", [",", "\t", ";"])
def test_headers_in_other_spellings_and_separators_are_read_too(
    tmp_path: Path, separator: str
) -> None:
    files = {
        name: text.replace("|", separator).replace("!Barrid", "Asset ID").replace("!F", "F")
        for name, text in BARRA.items()
    }
    files["asset_data"] = files["asset_data"].replace("SpecRisk%", "Specific_Risk")
    found = opensma.read_barra(**written(tmp_path, files))
    assert np.allclose(found.covariance(), EXPECTED_DENSE)


def test_fractions_and_variances_are_told_apart_from_percent(tmp_path: Path) -> None:
    files = dict(BARRA)
    files["covariance"] = "Factor1,Factor2,Covariance\nT_SIZE,T_SIZE,0.04\nT_SIZE,T_BANKS,0.003\n"
    files["covariance"] += "T_BANKS,T_BANKS,0.09\n"
    files["asset_data"] = "Barrid,Specific Variance\nUSA001,0.04\nUSA002,0.065025\n"
    found = opensma.read_barra(**written(tmp_path, files), percent=False)
    assert np.allclose(found.covariance(), EXPECTED_DENSE)


@pytest.mark.parametrize(
    ("file", "old", "new", "code", "where"),
    [
        ("exposures", "1.25", "much", "value_number", "exposures:3, Exposure"),
        ("exposures", "USA001|T_BANKS", "USA001|T_OIL", "risk_factor", "exposures:4"),
        ("covariance", "T_SIZE|T_BANKS|30|20250630\n", "", "risk_missing", "covariance"),
        ("asset_data", "SpecRisk%", "Nothing", "column_missing", "asset_data"),
        ("asset_data", "!Barrid", "!Whatever", "file_header", "asset_data"),
        ("asset_data", "USA0", "GBR0", "risk_empty", "exposures"),
    ],
)
def test_a_broken_file_is_named_with_its_line(
    tmp_path: Path, file: str, old: str, new: str, code: str, where: str
) -> None:
    paths = written(tmp_path, {**BARRA, file: BARRA[file].replace(old, new)})
    with pytest.raises(InputError) as caught:
        opensma.read_barra(**paths)
    assert caught.value.code == f"rebalance.{code}"
    assert where in caught.value.where
    assert caught.value.remedy


def test_a_missing_file_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    paths = written(tmp_path, BARRA)
    with pytest.raises(InputError) as caught:
        opensma.read_barra(**{**paths, "covariance": tmp_path / "no"})
    assert caught.value.code == "rebalance.file_missing"
