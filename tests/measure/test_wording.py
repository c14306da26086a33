"""Words that only a firm may use of itself never stand in the product (M70, M71)."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

# Built from halves, so that this file does not trip over itself.
CLAIMS = re.compile(
    "|".join(
        [
            r"(compliance|accordance|conformity)\s+with\s+(the\s+)?GI" + "PS",
            r"GI" + r"PS[- ](compliant|consistent|verified)",
            r"(complies|consistent)\s+with\s+(the\s+)?GI" + "PS",
        ]
    ),
    re.IGNORECASE,
)


def test_nothing_claims_what_only_a_firm_can_claim() -> None:
    kinds = {".py", ".md", ".html", ".typ", ".json", ".js", ".css", ".toml", ".txt"}
    pages = [ROOT / "README.md", ROOT / "CHANGELOG.md"]
    for folder in ("src", "docs", "tests", "benchmarks"):
        pages += [p for p in (ROOT / folder).rglob("*") if p.suffix in kinds]
    assert len(pages) > 100
    found = [str(p) for p in pages if CLAIMS.search(p.read_text(encoding="utf-8"))]
    assert not found


def test_the_lint_would_find_such_a_claim() -> None:
    name = "GI" + "PS"
    for claim in (
        f"{name} compliant",
        f"{name}-verified",
        f"in compliance with the {name.lower()}",
    ):
        assert CLAIMS.search(f"Our results are {claim}.")
    assert not CLAIMS.search(f"a firm can use when it prepares {name} Reports")
