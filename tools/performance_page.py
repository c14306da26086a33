"""Make the tables and the plot of docs/performance.md from docs/performance.json.

    python benchmarks/construct.py --out docs/performance.json
    python tools/performance_page.py [--check]

Text outside the markers is written by hand. `--check` only says whether the page is fresh.
"""

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "performance.md"
DATA = ROOT / "docs" / "performance.json"
PLOT = ROOT / "docs" / "img" / "performance.svg"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"

PEERS = {
    "two_step": "Clarabel in two steps, rounded",
    "taxrebalance": "taxrebalance 0.2",
    "scip": "SCIP, begun with the two-step plan",
    "scip_from_ours": "SCIP, begun with our plan",
}
COLORS = {
    "opensma": "#1b6ca8",
    PEERS["two_step"]: "#c98a1b",
    PEERS["taxrebalance"]: "#b0413e",
    PEERS["scip"]: "#6b4fa0",
}

Document = dict[str, Any]


def main() -> int:
    """Write the page and the plot, or compare the page with what would be written."""
    document: Document = json.loads(DATA.read_text(encoding="utf-8"))
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    fresh = f"{before}{BEGIN}\n\n{figures(document)}\n{END}{after}"
    if "--check" in sys.argv[1:]:
        if fresh != page:
            sys.stderr.write("docs/performance.md is not fresh: tools/performance_page.py\n")
        return int(fresh != page)
    PAGE.write_text(fresh, encoding="utf-8")
    PLOT.parent.mkdir(exist_ok=True)
    PLOT.write_text(plot(document), encoding="utf-8")
    return 0


# --- tables --------------------------------------------------------------------------------------


def figures(document: Document) -> str:
    """Everything between the markers."""
    bench, machine = document["bench"], document["machine"]
    parts = [
        _where(document, machine),
        _speed(bench),
        _families(bench["families"]),
        _peers(document["peers"]),
    ]
    return "\n".join(parts)


def _where(document: Document, machine: Document) -> str:
    trial = (
        "**A trial run with small numbers on a busy machine: these are no results.**\n\n"
        if document["small"]
        else ""
    )
    return (
        f"{trial}Machine: {machine['processor']}, {machine['cores']} cores, load "
        f"{machine['load_before']} before the start; Python {machine['python']}.\n"
    )


def _speed(bench: Document) -> str:
    size = f"{bench['accounts']:,} accounts, {bench['names']:,} names, {bench['lots']:,} lots"
    ended = "{solved} / {infeasible} / {failed}".format(**bench)
    rows = [
        (f"accounts a second, {bench['cores']} cores", _number(bench["accounts_per_second"])),
        ("decision of one account, median", f"{_number(bench['median_decision_ms'])} ms"),
        ("solved / infeasible / failed", ended),
        ("gap between objective and bound, median", f"{_number(bench['median_gap_bps'])} bp of V"),
        ("gap, 95th percentile", f"{_number(bench['p95_gap_bps'])} bp of V"),
        ("rules broken", str(bench["violations"])),
        ("convex kernel against Clarabel, median ratio", _number(bench["ratio_to_clarabel"])),
        ("largest relative difference to it", _number(bench["largest_objective_difference"])),
    ]  # fmt: skip
    return f"The family `base` ({size}):\n\n" + _table(("figure", "value"), rows)


def _families(families: Document) -> str:
    head = ("family", "accounts", "names", "lots", "accounts a second, one core",
            "one account, 99th percentile, ms", "gap, median, bp", "gap, 95th percentile, bp",
            "solved / infeasible / failed", "rules broken")  # fmt: skip
    rows = [
        (
            name,
            *(f"{found[c]:,}" for c in ("accounts", "names", "lots")),
            *(_number(found[c]) for c in ("accounts_per_second", "p99_decision_ms")),
            *(_number(found[c]) for c in ("median_gap_bps", "p95_gap_bps")),
            "{solved} / {infeasible} / {failed}".format(**found),
            str(found["violations"]),
        )
        for name, found in families.items()
    ]
    return "Families (gaps in bp of the household's value):\n\n" + _table(head, rows)


def _peers(peers: list[Document]) -> str:
    head = ("peer", "names", "lots", "accounts", "ours, ms", "peer, ms", "peer / ours",
            "ours better by, median, bp of V", "least", "most", "rules it broke")  # fmt: skip
    rows = [
        (
            PEERS[row["peer"]],
            *(f"{row[c]:,}" for c in ("names", "lots", "accounts")),
            *(_number(row[c]) for c in ("our_median_ms", "peer_median_ms", "ratio")),
            *(_number(row[f"better_{which}_bps"]) for which in ("median", "least", "most")),
            str(row["peer_violations"]),
        )
        for row in peers
    ]
    words = "Peers on the same accounts (negative: the peer's plan is better):\n\n"
    words += _table(head, rows)
    proven = [row["peer_gap_median_bps"] for row in peers if row.get("peer_gap_median_bps")]
    if proven:
        gap = _number(proven[0])
        words += f"\nSCIP's own gap to its bound when time ran out, median: {gap} bp of V.\n"
    return words


def _number(value: float | None) -> str:
    """Three significant digits, and no exponent where none is needed."""
    if value is None:
        return "-"
    if abs(value) < 1e-9:
        return "0"  # rounding of floats
    if abs(value) < 1e-3:
        return f"{value:.0e}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


# --- plot ----------------------------------------------------------------------------------------


def plot(document: Document) -> str:
    """Time of one account against names with peers, and against lots alone, as SVG."""
    import altair as alt
    import vl_convert

    chart = alt.hconcat(_by_names(document), _by_lots(document), spacing=40)
    specification = chart.configure_view(stroke=None).configure_axis(grid=True, gridColor="#e5e5e5")
    svg: str = vl_convert.vegalite_to_svg(specification.to_dict())
    return svg + "\n"


def _by_names(document: Document) -> Any:
    import altair as alt

    ours = [row for row in document["scaling"] if row["axis"] == "names"]
    points = [{"solver": "opensma", "names": r["names"], "ms": r["median_ms"]} for r in ours]
    points += [
        {"solver": PEERS[r["peer"]], "names": r["names"], "ms": r["peer_median_ms"]}
        for r in document["peers"]
        if PEERS[r["peer"]] in COLORS
    ]
    solvers = [name for name in COLORS if any(p["solver"] == name for p in points)]
    color = alt.Color("solver:N", title=None).scale(
        domain=solvers, range=[COLORS[name] for name in solvers]
    )
    return (
        alt.Chart(alt.Data(values=points), width=330, height=260)
        .mark_line(point=alt.OverlayMarkDef(size=45))
        .encode(
            _log_x("names", "names (3.5 lots each)", [p["names"] for p in points]),
            _log_y([p["ms"] for p in points]),
            color.legend(orient="bottom", columns=2),
        )
    )


def _by_lots(document: Document) -> Any:
    import altair as alt

    names = min(r["names"] for r in document["scaling"] if r["axis"] == "lots")
    points = [
        {"lots": row["lots_held"], "ms": row["median_ms"]}
        for row in document["scaling"]
        if row["names"] == names
    ]
    return (
        alt.Chart(alt.Data(values=points), width=330, height=260)
        .mark_line(
            point=alt.OverlayMarkDef(size=45, color=COLORS["opensma"]), color=COLORS["opensma"]
        )
        .encode(
            _log_x("lots", f"lots held (opensma, {names} names)", [p["lots"] for p in points]),
            _log_y([p["ms"] for p in points]),
        )
    )


def _log_x(field: str, title: str, values: list[int]) -> Any:
    import altair as alt

    marks = sorted(set(values))
    return (
        alt.X(f"{field}:Q", title=title)
        .scale(type="log", nice=False, domain=[0.9 * min(values), 1.1 * max(values)])
        .axis(values=marks, format=",d", labelOverlap=True)
    )


def _log_y(values: list[float]) -> Any:
    import altair as alt

    low, high = min(values), max(values)
    marks = [10.0**power for power in range(-1, 7)]
    domain = [
        max(mark for mark in [0.01, *marks] if mark <= low),
        min(mark for mark in [*marks, 1e8] if mark >= high),
    ]
    return (
        alt.Y("ms:Q", title="milliseconds an account, median")
        .scale(type="log", domain=domain)
        .axis(values=marks, format=",~g")
    )


if __name__ == "__main__":
    sys.exit(main())
