"""The law alone: a list of trades in, closed slices, open lots and totals out. No book, no clock.

`replay(case)` reads plain data (the schema of `sma lots replay`, described in `docs/tax.md`),
puts the events in order (D6), applies each whole or not at all (D7) and answers in the same plain
form. Every point the law leaves open is a field of `Policy`. Integers and exact fractions only.
This is a second, slower and wider reading than the column law of `relief` and `wash`, which the
book uses: both must agree wherever both speak, and tests hold them to it.
"""

from opensma.tax.replay.engine import replay, run
from opensma.tax.replay.policy import Policy
from opensma.tax.replay.restate import restate

__all__ = ["Policy", "replay", "restate", "run"]
