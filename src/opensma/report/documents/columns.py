"""Figures of a row as one text whose columns stand under each other, and the widths of these.

Setting a cell costs the same for one figure as for five, and a statement has thousands of lots. So
a lot's figures are one cell, filled with spaces of known width. Widths are those of the documents'
font with tabular figures, in millionths of the size of the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_DIGIT, _POINT, _PLUS, _PERCENT, _GAP = 465_000, 220_000, 550_000, 637_000, 1_512_000
_DIGIT_SPACE = "\u2007\u200a"
_POINT_SPACE = "\u2008"  # of a comma, and what a minus is narrower than a plus
_PLUS_SPACE = "\u2007" + "\u200a" * 4
_AS_WIDE = dict.fromkeys(map(ord, "0123456789$"))
_GAP_SPACE = "\u2003\u2003"


class Columns:
    """As wide as the widest figure of each column, and a gap in front."""

    def __init__(self, rows: Iterable[Sequence[str]]) -> None:
        columns = [list(column) for column in zip(*rows, strict=True)]
        self._digits = [max(map(_digits, column)) for column in columns]
        self._points = [max(map(_points, column)) for column in columns]
        self._signed = [any(text[:1] in "+-" for text in column) for column in columns]
        self._percent = [any(text.endswith("%") for text in column) for column in columns]

    def widths_micros(self) -> list[int]:
        """Of each column with its gap, in millionths of the text's size."""
        parts = zip(self._digits, self._points, self._signed, self._percent, strict=True)
        return [
            _GAP + digits * _DIGIT + points * _POINT + signed * _PLUS + percent * _PERCENT
            for digits, points, signed, percent in parts
        ]

    def line(self, row: Sequence[str]) -> str:
        """The row as one text, to be set to the right."""
        return "".join(self._filled(place, text) for place, text in enumerate(row)).lstrip()

    def _filled(self, place: int, text: str) -> str:
        digits, points = self._digits[place] - _digits(text), self._points[place] - _points(text)
        sign = ""
        if self._signed[place] and text[:1] != "+":
            sign = _POINT_SPACE if text[:1] == "-" else _PLUS_SPACE
        return f"{_GAP_SPACE}{_DIGIT_SPACE * digits}{_POINT_SPACE * points}{sign}{text}"


def _digits(text: str) -> int:
    """Digits and the dollar sign, which is as wide."""
    return len(text) - len(text.translate(_AS_WIDE))


def _points(text: str) -> int:
    return text.count(",") + text.count(".")
