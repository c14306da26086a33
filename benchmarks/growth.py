"""Growth, timed: credit of two million journeys, revenue by tranches, the CFO pack.

    python benchmarks/growth.py [--part journeys|tranches|pack|all] [--journeys N] [--json]

Everything is generated from the seed. Where ChannelAttribution (GPL-3: never a dependency, only
compared) or do-attribution are installed, their Markov models run in the same process, on the same
journeys up to 200,000 of them, and the ratios are printed. `tranches` splits a quarter of a million
fee rows by the money that earned them; `pack` loads, publishes and writes the report of 3,000
accounts that live through 60 months.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from opensma.growth.credit import Credit, Options, credit_of
from opensma.growth.credit_paths import PathTable, read_paths
from opensma.growth.revenue import AccountMonths, split_cents, tranche_shares
from opensma.growth.warehouse.schema import BILLION

sys.path.insert(0, str(Path(__file__).parent.parent))  # what tests invent is measured here
MOST_FOR_PEERS = 200_000  # beyond it a peer takes minutes


def write_journeys(file: Path, journeys: int, channels: int, seed: int) -> None:
    """Journeys of 4.5 touches on average, one in five of them converting."""
    random = np.random.default_rng(seed)
    lengths = 1 + random.poisson(3.5, journeys)
    likely = random.dirichlet(np.ones(channels))
    touches = random.choice(channels, lengths.sum(), p=likely)
    names = np.array([f"channel_{k:02d}" for k in range(channels)], dtype=object)
    converts = (random.random(journeys) < 0.2).astype(int)
    value = np.round(random.gamma(2.0, 5000.0, journeys), 2) * converts
    ends = np.cumsum(lengths)
    with file.open("w", encoding="utf-8") as stream:
        stream.write("path,total_conversions,total_conversion_value,total_null\n")
        words = names[touches].tolist()
        start = 0
        for end, c, v in zip(ends.tolist(), converts.tolist(), value.tolist(), strict=True):
            stream.write(f"{' > '.join(words[start:end])},{c},{v},{1 - c}\n")
            start = end


def timed(call: Callable[[], object]) -> tuple[float, object]:
    """Seconds on the wall, and the result."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def peers(file: Path, journeys: int) -> dict[str, float]:
    """Seconds of other tools' Markov models on the same file, where they are installed."""
    found: dict[str, float] = {}
    if journeys > MOST_FOR_PEERS or find_spec("pandas") is None:
        return found
    import pandas

    table = pandas.read_csv(file)
    if find_spec("do_attribution") is not None:
        found["do-attribution"], _ = timed(lambda: _do_attribution(table))
    if find_spec("ChannelAttribution") is not None:
        import ChannelAttribution

        found["ChannelAttribution"], _ = timed(lambda: ChannelAttribution.markov_model(
            table, var_path="path", var_conv="total_conversions",
            var_value="total_conversion_value", var_null="total_null", sep=">", verbose=False,
        ))  # fmt: skip
    return found


def _do_attribution(table: Any) -> object:
    """The same definition: removal redirects to null; a row for each outcome of a path."""
    from do_attribution import MarkovAttribution

    paths = [*table["path"], *table["path"]]
    counts = np.concatenate([table["total_conversions"], table["total_null"]])
    ends = np.repeat([1, 0], len(table))
    used = np.flatnonzero(counts)
    model = MarkovAttribution(removal_strategy="redirect_to_null")
    return model.fit([paths[i] for i in used], ends[used], weights=counts[used])


def measure_tranches(seed: int) -> dict[str, object]:
    """Split fee rows by the money that earned them (T1 to T5), to the cent (R3)."""
    from tests.growth.programme import lives

    rows = lives(3_600, 60, seed)
    account, month_of = np.nonzero(rows[..., 3] > 0)
    fees = rows[account, month_of, 3] // 2000

    def split() -> int:
        shares = tranche_shares(AccountMonths(*np.moveaxis(rows, 2, 0)), account, month_of)
        return len(split_cents(fees, shares.line, shares.weight, BILLION))

    seconds, count = timed(split)
    return {"fee_rows": len(account), "tranche_rows": count, "seconds": seconds}


def measure_pack(seed: int) -> dict[str, object]:
    """The CFO pack of 3,000 accounts over 60 months, from files and a book's tables to the page."""
    from tests.growth.programme import load_tables, programme

    from opensma.growth.journeys import Rules
    from opensma.growth.pack import make_pack
    from opensma.growth.pack_data import Options as PackOptions
    from opensma.growth.publish import publish
    from opensma.growth.ties import broken
    from opensma.growth.warehouse.store import open_warehouse

    tables, published = programme(3_000, 60, seed, starts=1, closing=0.0)
    with tempfile.TemporaryDirectory() as folder:
        connection = open_warehouse(None, create=True)
        seconds = {}
        seconds["load"], _ = timed(lambda: load_tables(connection, Path(folder), tables))
        rules = Rules(published.as_of)
        seconds["publish"], _ = timed(lambda: publish(connection, published, rules))
        seconds["report"], pack = timed(lambda: make_pack(connection, PackOptions()))
        seconds["write"], _ = timed(lambda: pack.write(Path(folder) / "out"))  # type: ignore[attr-defined]
    return {
        "account_months": len(published.months), "fee_lines": len(published.fees),
        "seconds": seconds, "report_seconds": seconds["report"] + seconds["write"],
        "total_seconds": sum(seconds.values()),
        "checks_broken": len(broken(pack.checks)),  # type: ignore[attr-defined]
    }  # fmt: skip


def measure(file: Path, arguments: argparse.Namespace) -> dict[str, object]:
    """Read, credit by both models, and compare."""
    began = time.process_time()
    reading, paths = timed(lambda: read_paths(file))
    assert isinstance(paths, PathTable)
    seconds = {"read": reading}
    for model in ("markov", "shapley"):
        seconds[model], credit = timed(lambda model=model: credit_of(paths, model, Options()))
        assert isinstance(credit, Credit)
        assert abs(credit.share.sum() - 1) < 1e-9
    total, cpu = sum(seconds.values()), time.process_time() - began
    others = peers(file, arguments.journeys)
    return {
        "journeys": paths.rows, "touches": len(paths.touch_channel),
        "channels": len(paths.channels), "seconds": seconds, "total_seconds": total,
        "cpu_seconds": cpu,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "peers_seconds": others,
        "ratio_to_peers": {
            name: other / (reading + seconds["markov"]) for name, other in others.items()
        },
    }  # fmt: skip


PARTS = ("journeys", "tranches", "pack")


def main() -> int:
    """Generate, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=(*PARTS, "all"), default="journeys")
    parser.add_argument("--journeys", type=int, default=2_000_000)
    parser.add_argument("--channels", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    asked = PARTS if arguments.part == "all" else (arguments.part,)
    found: dict[str, object] = {}
    for part in asked:
        if part == "tranches":
            found[part] = measure_tranches(arguments.seed)
        elif part == "pack":
            found[part] = measure_pack(arguments.seed)
        else:
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "paths.csv"
                write_journeys(file, arguments.journeys, arguments.channels, arguments.seed)
                found[part] = measure(file, arguments)
    text = json.dumps(found, indent=None if arguments.json else 2)
    sys.stdout.write(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
