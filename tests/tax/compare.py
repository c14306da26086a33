"""Compares an answer in text with the exact one of the auditor, and says where they differ."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

Row = dict[str, Any]
MONEY = ("proceeds", "basis", "disallowed", "gain", "permanently_disallowed", "loss_basis")
SECTIONS = ("closed", "open", "dividends")
SCALE = 10**12  # of quantities in text
SHARE = Fraction(1, 10**6)  # thirds are printed to twelve places; sums of them stay far below


def disagreements(case: Row, answer: Row, exact: Row) -> list[str]:
    """What differs on a drawn history, whose numbers divide but for averages.

    A pool rounds, and of two parts with one adjustment a share a cent then decides which leaves
    first: their dates are not compared.
    """
    if case["method"] == "AVERAGE":
        return differences(answer, exact, cents=Fraction(10**4), whole=False, dates=False)
    return differences(answer, exact, units=True)


def differences(
    answer: Row,
    exact: Row,
    *,
    units: bool = False,
    cents: Fraction = Fraction(0),
    whole: bool = True,
    dates: bool = True,
) -> list[str]:
    """What differs, in words; nothing when the answers agree.

    `units`: rows with other amounts a share are other rows. `cents`: how far money may be off for
    each row. `whole`: an exact amount in whole cents may not be off at all.
    """
    if "error" in answer or "error" in exact:
        mine, theirs = (_refusal(a) for a in (answer, exact))
        found = [f"error: {mine}, auditor {theirs}"] if mine != theirs else []
        sections: tuple[str, ...] = ("open",)
    else:
        found, sections = _totals(answer, exact, cents, whole), SECTIONS
    for name in sections:
        pair = [joined(a.get(name, []), units=units, dates=dates) for a in (answer, exact)]
        found += [f"{name}: {text}" for text in _rows(*pair, cents, whole)]
    return found


def _refusal(answer: Row) -> Row | None:
    error = answer.get("error")
    return error and {"code": error["code"], "seq": error["seq"]}


def _totals(answer: Row, exact: Row, cents: Fraction, whole: bool) -> list[str]:
    slack = cents * max(1, len(exact["closed"]) + len(exact["open"]))
    mine, theirs = answer["totals"], exact["totals"]
    names = sorted({*mine, *theirs})
    return [
        f"totals: {name} is {mine.get(name)}, auditor {theirs.get(name)}"
        for name in names
        if name not in mine
        or name not in theirs
        or not _near(money(mine[name]), theirs[name], slack, whole)
    ]


def _near(one: Fraction | int, other: Fraction | int, slack: Fraction, whole: bool) -> bool:
    if one == other:
        return True
    return not (whole and Fraction(other).denominator == 1) and abs(one - other) < slack


def _rows(mine: Row, theirs: Row, cents: Fraction, whole: bool) -> list[str]:
    found = [f"only the answer has {key} x {float(mine[key]['qty'])}" for key in mine
             if key not in theirs]  # fmt: skip
    found += [f"only the auditor has {key} x {float(theirs[key]['qty'])}" for key in theirs
              if key not in mine]  # fmt: skip
    for key in [key for key in mine if key in theirs]:
        one, other = mine[key], theirs[key]
        slack = cents * max(one["rows"], other["rows"])
        found += [
            f"{key}: {name} is {float(one[name])}, auditor {float(other[name])}"
            for name in one
            if name not in ("rows", "qty", "replaced")
            and not _near(one[name], other[name], slack, whole)
        ]
        found += [
            f"{key}: {name} is {float(one[name])}, auditor {float(other[name])}"
            for name in ("qty", "replaced")
            if abs(one[name] - other[name]) > SHARE
        ]
    return found


def joined(rows: list[Row], *, units: bool, dates: bool = True) -> dict[tuple[Any, ...], Row]:
    """Sums of shares and money for everything else that rows say."""
    sums: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        number = shares(row["qty"])
        amounts = {name: money(row.get(name, 0)) for name in (*MONEY, "amount")}
        texts = sorted(
            (name, value) for name, value in row.items()
            if name not in amounts and name not in ("qty", "replaced_by", "part")
            and (dates or name not in ("holding_date", "term"))
        )  # fmt: skip
        key: tuple[Any, ...] = tuple(value for _, value in texts)
        key += tuple(name for name, _ in texts if name in ("kind", "code"))
        replaced = row.get("replaced_by", [])
        key += tuple(pick["lot"] for pick in replaced)
        if units and "ex_date" not in row:
            key += tuple(_step(amounts[name], number) for name in ("proceeds", "basis"))
        into = sums.setdefault(key, dict.fromkeys(("qty", "replaced", "rows", *amounts), 0))
        into["qty"] += number
        into["replaced"] += sum(shares(pick["qty"]) for pick in replaced)
        into["rows"] += 1
        for name, amount in amounts.items():
            into[name] += amount
    return sums


def _step(amount: Fraction | int, number: Fraction | int) -> int:
    """Dollars a share in odd steps, so that no ordinary price stands between two of them."""
    if not number:
        return -1  # a row of no shares is a row too many
    return int(Fraction(amount) / number * 1009 / 10**20 + Fraction(3137, 10_000))


def money(amount: str | int | Fraction) -> int | Fraction:
    """Cents of an amount in text or as a number of cents."""
    return int(amount.replace(".", "")) if isinstance(amount, str) else amount


def shares(number: str | Fraction) -> Fraction:
    """Shares of a quantity in text or as a number."""
    return Fraction(number)
