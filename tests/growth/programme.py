"""An invented programme of any size, straight into a warehouse: closures, outflows, reversals."""

from __future__ import annotations

import csv
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from opensma.growth.publish import Published
from opensma.growth.warehouse.load import load_folder
from opensma.growth.warehouse.mapping import read_mapping
from opensma.growth.warehouse.schema import CHANNELS, table_named

FIRST = date(2020, 1, 1)


def later(months: int, first: date = FIRST) -> date:
    index = first.year * 12 + first.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)


def last_day(months: int) -> date:
    return later(months + 1) - timedelta(days=1)


def write_csv(folder: Path, name: str, rows: list[tuple[Any, ...]]) -> None:
    """One table's rows as its CSV file."""
    table = table_named(name)
    assert table is not None
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(table.names[: len(rows[0])] if rows else table.names)
        writer.writerows(["" if v is None else v for v in row] for row in rows)


def lives(accounts: int, months: int, seed: int) -> Any:
    """Begin, flow, market and end of accounts by month (accounts, months, 4), in cents."""
    rng = np.random.default_rng(seed)
    rows = np.zeros((accounts, months, 4), dtype=np.int64)
    begin = np.zeros(accounts, dtype=np.int64)
    for month in range(months):
        opens = (begin == 0) & (rng.random(accounts) < 0.03)
        adds = (begin > 0) & (rng.random(accounts) < 0.07)
        flow = np.where(opens, 50_000_000, np.where(adds, 5_000_000, 0))
        takes = (begin > 0) & ~adds & (rng.random(accounts) < 0.03)
        flow = np.where(takes, -begin // 5, flow)
        market = (np.where(begin > 0, begin, flow) * rng.normal(0.006, 0.03, accounts)).astype(int)
        rows[:, month] = np.stack([begin, flow, market, begin + flow + market], axis=1)
        begin = begin + flow + market
    return rows


def programme(
    accounts: int, months: int, seed: int, *, every: int = 3, starts: int | None = None,
    closing: float = 0.012,
) -> tuple[dict[str, list[tuple[Any, ...]]], Published]:  # fmt: skip
    """Tables of a programme and what its book would publish; fees are billed every few months.

    Accounts open in the first `starts` months, or any; `closing` of them close in a month.
    """
    rng = np.random.default_rng(seed)
    tables: dict[str, list[tuple[Any, ...]]] = {
        "firm": [(f"f{i}", None, None, "ria", None, FIRST, None) for i in range(20)],
        "person": [], "touch": [], "account_link": [], "spend": [],
    }  # fmt: skip
    offices = max(2, accounts // 8)
    for office in range(offices):
        for person in range(2):
            tables["person"].append(
                (f"o{office}-p{person}", f"f{office % 20}", f"o{office}", None, "advisor",
                 "legitimate_interest", FIRST, None)
            )  # fmt: skip
    rows, grid, fees = [], [], []
    for number in range(accounts):
        name, office = f"a{number:05d}", int(rng.integers(offices))
        start = int(rng.integers(0, starts or months - 1))
        opened = later(start) + timedelta(days=int(rng.integers(0, 28)))
        lines, closed = _life(rng, name, start, months, closing)
        grid += [(*line, 0) for line in lines]
        rows.append((name, f"f{office % 20}", "adv", "s", "up to $250k", opened, closed))
        fees += _fees(rng, name, lines, opened, every)
        _touch(tables, rng, office, opened, number)
        shares = [(0, 10_000)] if rng.random() < 0.8 else [(0, 6_001), (1, 3_999)]
        for person, bps in shares:
            tables["account_link"].append(
                (name, f"f{office % 20}", f"o{office}-p{person}", None,
                 "cause" if rng.random() < 0.05 else None, bps, opened, closed, "agreement")
            )  # fmt: skip
    for month in range(months):
        for kind, channel in (("media", "paid_search"), ("people", "wholesaler")):
            name = f"{kind}{month}"
            tables["spend"].append((name, later(month), channel, None, kind, 900_000, "6", None))
    return tables, Published(rows, grid, fees)


def _life(
    rng: np.random.Generator, name: str, start: int, months: int, closing: float
) -> tuple[list[tuple[Any, ...]], date | None]:
    """Account-months from the funding to the end or to the closing."""
    lines, begin = [], 0
    for month in range(start, months):
        flow = int(rng.integers(10_000_000, 200_000_000)) if begin == 0 else 0
        if begin and rng.random() < 0.06:
            flow = int(begin * rng.uniform(-0.3, 0.4))
        base = begin or flow
        market = int(base * rng.normal(0.005, 0.03))
        if begin and rng.random() < closing:
            lines.append((name, later(month), begin, -begin - market, market, 0))
            return lines, last_day(month)
        end = begin + flow + market
        lines.append((name, later(month), begin, flow, market, end))
        begin = end
    return lines, None


def _fees(
    rng: np.random.Generator, name: str, lines: list[tuple[Any, ...]], opened: date, every: int
) -> list[tuple[Any, ...]]:
    """Fee lines of the account; one in forty is taken back and billed again, one is a refund."""
    fees: list[tuple[Any, ...]] = []
    since = opened
    for index, line in enumerate(lines):
        ends = (line[1].month - 1) % every == every - 1 or index == len(lines) - 1
        if not ends:
            continue
        end = later(1, line[1]) - timedelta(days=1)
        amount = int(max(line[2], line[5]) * 0.006 * every / 12) + 1
        period = f"{line[1]:%Y-%m}"
        fee = (
            f"i{index}:{name}",
            name,
            period,
            "fee",
            amount,
            amount * 15 // 100,
            None,
            since,
            end,
        )
        fees.append(fee)
        if rng.random() < 0.025:
            again = (
                f"r{index}:{name}",
                name,
                period,
                "reversal",
                -amount,
                -fee[5],
                fee[0],
                *fee[7:],
            )
            fees += [
                again,
                (f"n{index}:{name}", name, period, "fee", amount - 7, fee[5], None, *fee[7:]),
            ]
        elif rng.random() < 0.01:
            fees.append(
                (f"b{index}:{name}", name, period, "refund", -amount // 3, -3, None, *fee[7:])
            )
        since = end + timedelta(days=1)
    return fees


def _touch(
    tables: dict[str, list[tuple[Any, ...]]], rng: np.random.Generator, office: int, opened: date,
    number: int,
) -> None:  # fmt: skip
    for step in range(int(rng.integers(0, 7))):
        day = opened - timedelta(days=int(rng.integers(0, 800)))
        person = f"o{office}-p{rng.integers(2)}" if rng.random() < 0.9 else None
        tables["touch"].append(
            (f"t{number:05d}-{step}", datetime(day.year, day.month, day.day, 10), person,
             f"f{office % 20}", str(rng.choice(CHANNELS)), None, f"c{rng.integers(9)}", None,
             "visit", "utm", None, None)
        )  # fmt: skip


def load_tables(connection: Any, folder: Path, tables: dict[str, list[tuple[Any, ...]]]) -> Any:
    """The tables through their files, as a user would."""
    for name, rows in tables.items():
        write_csv(folder, name, rows)
    return load_folder(connection, folder, read_mapping("plain", FIRST), None)
