"""The value chart: same bytes, a spoken name, colours that everybody tells apart."""

import re
import xml.etree.ElementTree as ElementTree
from itertools import combinations

import numpy as np
import pytest

from opensma.report import charts


def lines(title: str = "Value of A1") -> charts.ValueLines:
    days = np.arange(739_000, 739_060, dtype=np.int64)
    value = 10_000_000 + np.arange(60, dtype=np.int64) * 12_345
    return charts.ValueLines(
        title, "Worth $1.", days, value, value * 1.01, np.full(60, 10_000_000, dtype=np.int64)
    )


def drawn(**settings: object) -> str:
    return charts.value_chart(lines(), width=700, height=300, **settings)  # type: ignore[arg-type]


def test_the_same_data_is_drawn_to_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    first = drawn()
    monkeypatch.setattr(charts, "_drawings", type(charts._drawings)())  # nothing is remembered
    assert drawn() == first


def test_a_drawing_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = drawn()
    monkeypatch.setattr("vl_convert.vegalite_to_svg", lambda _spec: pytest.fail("drawn again"))
    assert drawn() is first


def test_it_is_a_document_with_a_title_a_description_and_three_lines() -> None:
    svg = charts.value_chart(lines("A <b> & c"), width=700, height=300)
    root = ElementTree.fromstring(svg)
    space = "{http://www.w3.org/2000/svg}"
    assert root.attrib["role"] == "img"
    assert root.findtext(f"{space}title") == "A <b> & c"
    assert root.findtext(f"{space}desc") == "Worth $1."
    assert len(set(re.findall(r'stroke="(#\w+)"', svg)) & set(charts.LIGHT.series)) == 3
    assert "<script" not in svg


def test_lines_differ_by_dash_as_well_as_by_colour() -> None:
    assert len({tuple(dash) for dash in charts._DASHES}) == 3
    assert len(set(re.findall(r'stroke-dasharray="([^"]+)"', drawn()))) >= 2


def test_the_dark_drawing_has_the_dark_colours() -> None:
    assert all(colour in drawn(dark=True) for colour in charts.DARK.series)
    assert not any(colour in drawn(dark=True) for colour in charts.LIGHT.series)


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def ratio(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


# Machado, Oliveira and Fernandes (2009), severity 1, on linear light: red-blind, green-blind.
BLIND = {
    "protan": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216),
               (-0.003882, -0.048116, 1.051998)),
    "deutan": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413),
               (-0.011820, 0.042940, 0.968881)),
}  # fmt: skip


@pytest.mark.parametrize("scheme", [charts.LIGHT, charts.DARK])
@pytest.mark.parametrize("blind", BLIND)
def test_colour_blind_readers_tell_the_lines_apart(scheme: charts.Scheme, blind: str) -> None:
    def seen(colour: str) -> np.ndarray:
        channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        linear = np.where(
            channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
        )
        mixed = np.clip(np.array(BLIND[blind]) @ linear, 0, 1)
        return mixed ** (1 / 2.4) * 255

    for one, other in combinations(scheme.series, 2):
        assert np.linalg.norm(seen(one) - seen(other)) > 40


@pytest.mark.parametrize(("scheme", "page"), [(charts.LIGHT, "#f8f8f5"), (charts.DARK, "#14171a")])
def test_lines_stand_out_from_the_page(scheme: charts.Scheme, page: str) -> None:
    assert min(ratio(colour, page) for colour in scheme.series) >= 3.0
    assert ratio(scheme.muted, page) >= 4.5
