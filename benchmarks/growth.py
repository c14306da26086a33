"""Credit of two million journeys: Markov and Shapley from a file, timed.

    python benchmarks/growth.py [--journeys N] [--channels K] [--seed S] [--json]

The file is generated from the seed. Where ChannelAttribution is installed (GPL-3: never a
dependency, only compared), its simulated Markov model runs on the same journeys in the same
process, up to 200,000 of them, and the ratio is printed.
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

import numpy as np

from opensma.growth.credit import Credit, Options, credit_of
from opensma.growth.credit_paths import PathTable, read_paths

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
    if find_spec("ChannelAttribution") is not None:
        import ChannelAttribution

        found["ChannelAttribution"], _ = timed(lambda: ChannelAttribution.markov_model(
            table, var_path="path", var_conv="total_conversions",
            var_value="total_conversion_value", var_null="total_null", sep=">", verbose=False,
        ))  # fmt: skip
    return found


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


def main() -> int:
    """Generate, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--journeys", type=int, default=2_000_000)
    parser.add_argument("--channels", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "paths.csv"
        write_journeys(file, arguments.journeys, arguments.channels, arguments.seed)
        found = measure(file, arguments)
    text = json.dumps(found, indent=None if arguments.json else 2)
    sys.stdout.write(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
