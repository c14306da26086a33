"""A change as people write it: `0.75%`, `75bp`, `$20,000`, `Energy, ACME`. Read in one place.

Whatever cannot be read is an InputError that names the field and gives an example; nothing is
guessed and nothing is rounded.
"""

from __future__ import annotations

from collections.abc import Mapping

from opensma.errors import InputError
from opensma.trade.what_if import Change
from opensma.units import parse_cents, parse_micros

# Field, its name for people.
FIELDS: dict[str, str] = {
    "exclude": "exclude",
    "te_cap": "tracking-error cap",
    "aversion": "risk aversion",
    "raise": "cash to raise",
    "budget": "gain budget",
    "short_budget": "short-term gain budget",
}
_MOST_NAMES = 20
_LONGEST = 200
_MICROS_PER_BP = 100  # millionths of the whole


def read_change(given: Mapping[str, str]) -> Change:
    """The change in the fields of a form or a command; empty fields leave things as they are."""
    texts = {name: given.get(name, "").strip() for name in FIELDS}
    for name, text in texts.items():
        if len(text) > _LONGEST:
            raise _bad(name, "The text is too long.", f"Give at most {_LONGEST} characters.")
    return Change(
        exclude=_names(texts["exclude"]),
        te_cap_bps=_basis_points(texts["te_cap"]),
        risk_aversion_micros=_number(texts["aversion"]),
        raise_cents=_dollars("raise", texts["raise"]) or 0,
        gain_budget_cents=_dollars("budget", texts["budget"]),
        short_gain_budget_cents=_dollars("short_budget", texts["short_budget"]),
    )


def _names(text: str) -> tuple[str, ...]:
    names = [name.strip() for name in text.replace(";", ",").split(",")]
    kept = tuple(dict.fromkeys(name for name in names if name))
    if len(kept) > _MOST_NAMES:
        raise _bad("exclude", "Too many names at once.", f"Give at most {_MOST_NAMES}.")
    return kept


def _dollars(field: str, text: str) -> int | None:
    if not text:
        return None
    return parse_cents(text.removeprefix("$").replace(",", "").strip(), FIELDS[field])


def _number(text: str) -> int | None:
    return parse_micros(text, FIELDS["aversion"]) if text else None


def _basis_points(text: str) -> int | None:
    """Whole basis points of `0.75%`, `0.75` (percent) or `75bp`."""
    if not text:
        return None
    low = text.casefold()
    if low.endswith(("bp", "bps")):
        micros = parse_micros(low.rstrip("s").removesuffix("bp").strip(), FIELDS["te_cap"])
        points, rest = divmod(micros, 1_000_000)
    else:
        micros = parse_micros(low.removesuffix("%").strip(), FIELDS["te_cap"])
        points, rest = divmod(micros, 100 * _MICROS_PER_BP)
    if rest:
        raise _bad("te_cap", f"'{text}' is no whole number of basis points.", "For example 0.75%.")
    if points > 10_000:
        raise _bad("te_cap", f"'{text}' is more than 100%.", "For example 0.75%.")
    return points


def _bad(field: str, message: str, remedy: str) -> InputError:
    return InputError("what_if.unreadable", message, where=FIELDS[field], remedy=remedy)
