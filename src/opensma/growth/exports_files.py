"""Files of an export: rows as CSV, and what was written and left out."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Exported:
    """Files that were written, with their rows, and what was left out for which reason."""

    kind: str
    files: Mapping[str, int]
    left_out: Mapping[str, int]


def write_rows(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> int:
    """Write these columns of rows as CSV; how many rows there are."""
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, columns, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return len(rows)
