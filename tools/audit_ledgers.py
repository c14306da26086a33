"""Run the replay engine against the slow auditor on random ledgers (I12).

    .venv/bin/python tools/audit_ledgers.py --count 100000 --seed 1 --workers 1

Ledger n is drawn from seed + n, so every disagreement can be drawn again:
`--seed <its seed> --count 1 --show` prints the case as text for a bug report. Exit code 1 when
any ledger disagrees.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from multiprocessing import Pool
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.tax.compare import disagreements
from tests.tax.ledgers import ledger

from opensma.tax.replay import replay

BATCH = 500
SHOWN = 20


def main() -> int:
    """Audit, print the summary."""
    options = _options()
    started = time.monotonic()
    seeds = range(options.seed, options.seed + options.count)
    batches = [seeds[at : at + BATCH] for at in range(0, len(seeds), BATCH)]
    total: Counter[str] = Counter()
    failed: list[tuple[int, str]] = []
    for counted, found in _results(batches, options.workers):
        total += counted
        failed += found
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{total['ledgers']:,} ledgers")
    _tell(total, failed, time.monotonic() - started)
    if options.show:
        from opensma.tax.scenario import write

        for seed in seeds[:SHOWN]:
            sys.stdout.write(write(ledger(Random(seed))[0]))
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    reader = argparse.ArgumentParser(description="Audit the replay engine on random ledgers.")
    reader.add_argument("--count", type=int, default=10_000)
    reader.add_argument("--seed", type=int, default=1)
    reader.add_argument("--workers", type=int, default=1)
    reader.add_argument("--show", action="store_true", help="print the first ledgers as text")
    return reader.parse_args()


def _results(batches, workers):  # type: ignore[no-untyped-def]
    if workers == 1:
        yield from map(audit_batch, batches)
        return
    with Pool(workers) as pool:
        yield from pool.imap_unordered(audit_batch, batches)


def audit_batch(seeds: range) -> tuple[Counter[str], list[tuple[int, str]]]:
    """Counts of what the ledgers held, and each failing seed with its first difference."""
    counted: Counter[str] = Counter()
    failed = []
    for seed in seeds:
        case, exact = ledger(Random(seed))
        found = disagreements(case, replay(case), exact)
        if found:
            failed.append((seed, found[0]))
        counted["ledgers"] += 1
        counted["events"] += len(case["events"])
        counted["refused"] += "error" in exact
        counted["closed rows"] += len(exact.get("closed", ()))
        counted["wash rows"] += sum(row.get("code") == "W" for row in exact.get("closed", ()))
        counted[f"method {case['method']}"] += 1
    return counted, failed


def _tell(total: Counter[str], failed: list[tuple[int, str]], seconds: float) -> None:
    methods = sorted(name.removeprefix("method ") for name in total if name.startswith("method "))
    names = ("ledgers", "events", "closed rows", "wash rows", "refused")
    lines = [f"{name:15}{total[name]:>12,}" for name in names]
    lines.append(f"{'methods':15}{len(methods):>12}  {', '.join(methods)}")
    lines.append(f"{'seconds':15}{seconds:>12,.0f}")
    lines.append(f"{'disagreements':15}{len(failed):>12,}")
    lines += [f"  seed {seed}: {difference}" for seed, difference in failed[:SHOWN]]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
