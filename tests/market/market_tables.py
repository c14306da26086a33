"""Small markets written row by row, so that a test changes one fact and sees one finding."""

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from opensma.calendar import sessions
from opensma.market.layout import TABLE
from opensma.market.tables import connect, fill_table, write_tables

DAYS = sessions(date(2024, 1, 2), date(2024, 2, 13))  # 30 sessions


@dataclass
class Tables:
    """Rows per table in layout order."""

    rows: dict[str, list[tuple[Any, ...]]] = field(default_factory=lambda: {t: [] for t in TABLE})

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        connection = connect()
        for name, rows in self.rows.items():
            fill_table(connection, "t_", name, rows)
        write_tables(connection, "t_", folder)
        return folder

    def price(self, security: str, row: int) -> int:
        """Position of a price row."""
        return next(
            i for i, r in enumerate(self.rows["prices"]) if r[0] == security and r[1] == DAYS[row]
        )

    def set_close(self, security: str, row: int, close: float, volume: int = 1_000) -> None:
        self.rows["prices"][self.price(security, row)] = (security, DAYS[row], close, volume)

    def drop_prices(self, security: str, rows: range) -> None:
        gone = {DAYS[row] for row in rows}
        self.rows["prices"] = [
            r for r in self.rows["prices"] if r[0] != security or r[1] not in gone
        ]

    def end_listing(self, security: str, row: int) -> None:
        """The last session of a security, in prices and in `securities`."""
        self.drop_prices(security, range(row + 1, len(DAYS)))
        self.replace("securities", security, 9, DAYS[row])

    def replace(self, table: str, security: str, column: int, value: object) -> None:
        position = next(i for i, r in enumerate(self.rows[table]) if security in (r[0], r[1]))
        row = list(self.rows[table][position])
        row[column] = value
        self.rows[table][position] = tuple(row)


def tiny_tables() -> Tables:
    tables = Tables()
    for number, (security, symbol, start) in enumerate(
        (("S1", "ALF", 100.0), ("S2", "BET", 50.0), ("S3", "GAM", 20.0))
    ):
        sector = ("Energy", "Utilities", "Energy")[number]
        about = ("Oil", "nyse", "United States", 7 if number == 0 else None)
        tables.rows["securities"].append(
            (security, symbol, f"{symbol} Inc.", sector, *about, DAYS[0], DAYS[-1])
        )
        tables.rows["symbols"].append((security, symbol, DAYS[0], DAYS[-1]))
        tables.rows["shares_outstanding"].append((security, DAYS[0], 1_000_000 * (number + 1)))
        tables.rows["constituents"].append(("large_cap_500", security, DAYS[0], None))
        for row, day in enumerate(DAYS):
            close = round(start + 0.5 * ((row * (number + 3)) % 7), 2)
            tables.rows["prices"].append((security, day, close, 1_000))
    tables.rows["actions"].append(("S1", DAYS[5], "cash_dividend", None, 0.25, None))
    tables.rows["themes"].append(("S1", "fossil_fuel", "industry"))
    return tables
