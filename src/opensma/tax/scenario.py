"""A trade list as plain text, to be read, written by hand and pasted into a bug report.

One event a line, dates first; `read` gives the case that `sma lots replay` takes and `write` the
text of a case. Both directions keep everything: `read(write(case)) == case`. The words of every
event stand in `SHAPES`; what has no word there is written `name=text` or `name:=JSON`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from opensma.errors import InputError
from opensma.tax.replay.events import Located

Row = dict[str, Any]

# An event's words in their order. `name` is a field; `'word` must stand there; `=total` is the
# amount, as `@ price a share` or `for total`; `[...]` may follow in any order as `word value`.
SHAPES: dict[str, tuple[str, ...]] = {
    "buy": ("account", "security", "qty", "=amount", "[lot]", "[acquisition]", "[already_used]"),
    "sell": ("account", "security", "qty", "=amount", "[order]", "[block]", "[picks]", "[select]"),
    "transfer": ("from", "'to", "to", "security", "qty", "[picks]"),
    "gift": ("account", "security", "qty", "[lot]", "[donor_basis]", "[donor_acquired]", "[fmv]"),
    "inherit": ("account", "security", "qty", "[lot]", "[fmv]"),
    "choose_lots": ("[picks]", "[select]"),
    "split": ("security", "ratio", "[rounded]"),
    "cash_in_lieu": ("account", "security", "qty", "=amount"),
    "symbol_change": ("security", "'to", "new_security"),
    "spinoff": (
        *("security", "'to", "new_security", "ratio"),
        *("[spin_basis_fraction]", "[spin_fmv]", "[parent_fmv]", "[rounded]"),
    ),
    "stock_merger": (
        *("security", "'to", "new_security", "ratio"),
        *("[cash_per_share]", "[new_fmv]", "[rounded]"),
    ),
    "exchange": ("account", "security", "qty", "'to", "new_security", "ratio", "[picks]"),
    "cash_merger": ("security", "'at", "cash_per_share"),
    "worthless": ("security",),
    "return_of_capital": ("security", "'at", "per_share"),
    "dividend": ("security", "'at", "per_share"),
    "short_sell": ("account", "security", "qty", "=amount", "[lot]"),
    "cover": ("account", "security", "qty", "=amount"),
    "deliver": ("account", "security", "qty", "[picks]"),
    "transfer_in": (
        *("account", "security", "qty", "[lot]", "[basis]", "[acquired]", "[holding_date]"),
        *("[acquisition]", "[wash]", "[loss_basis]", "[already_used]", "[inherited]", "[bought]"),
    ),
    "transfer_out": ("account", "security", "qty", "[picks]"),
}
SWITCHES = ("already_used", "rounded", "inherited")  # present or not, without a value
TEXTS = ("schema", "id", "category", "title", "source", "rule", "check", "method")
COUNTS = ("days_held", "seq")  # of rows that are expected: whole numbers

_TOKEN = re.compile(r'\s*((?:"(?:[^"\\]|\\.)*"|[^\s"#])+)')
_BARE = re.compile(r"[^\s\"#=:,\\]+")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def read(text: str, file: str = "") -> Row:
    """The case in a text. InputError scenario.line, which names the line and the remedy.

    With the name of its file, events know where they stand, for later errors.
    """
    case: Row = {"policy": {}, "accounts": [], "events": []}
    last = 0
    for number, line in enumerate(text.splitlines(), 1):
        words = _Words(line, f"line {number}")
        if not words.left:
            continue
        first = words.take("a date or a word")
        if _DATE.fullmatch(first):
            event = _read_event(first, words, last + 1)
            last = event["seq"]
            case["events"].append(Located(event, number, file) if file else event)
        else:
            _read_frame(case, first, words)
    return case


def write(case: Mapping[str, Any]) -> str:
    """The text of a case. InputError scenario.unwritable where a field has no words."""
    lines = [f"{name} {_quoted(case[name])}" for name in TEXTS if name in case]
    lines += [*_frame_lines(case), ""]
    last = 0
    for event in case.get("events", ()):
        lines.append(_event_line(event, last + 1))
        last = event["seq"]
    for name, value in case.items():
        if name.startswith("expect"):
            lines += ["", *_expect_lines(name, value)]
    return "\n".join(lines) + "\n"


# --- reading ---------------------------------------------------------------------------------


class _Words:
    """The words of one line; a comment begins with # outside quotes."""

    def __init__(self, line: str, where: str) -> None:
        self.where = where
        self.left: list[str] = []
        place = 0
        while hit := _TOKEN.match(line, place):
            self.left.append(hit.group(1))
            place = hit.end()
        rest = line[place:].lstrip()
        if rest and not rest.startswith("#"):
            raise self.error(f"a quotation mark is open: {rest}", 'End it with another ".')

    def take(self, what: str) -> str:
        """The next word, without quotation marks."""
        if not self.left:
            raise self.error(f"{what} is missing at the end", "Complete the line.")
        return self.plain(self.left.pop(0))

    def plain(self, word: str) -> str:
        """A word without quotation marks."""
        if not word.startswith('"'):
            return word
        try:
            value = json.loads(word)
        except ValueError:  # two quoted words without a blank, or an unknown escape
            raise self.error(f"{word} is no quoted word", "Put blanks between words.") from None
        return str(value)

    def pair(self, mark: str, what: str) -> tuple[str, str]:
        """The next word as `name=value` or `lot:qty`."""
        if not self.left:
            raise self.error(f"{what} is missing at the end", "Complete the line.")
        word = self.left.pop(0)
        cut = re.fullmatch(rf'("(?:[^"\\]|\\.)*"|[^"{mark}]*){mark}(.*)', word)
        if not cut:
            raise self.error(f"{word} is not {what}", f"Write {what}, without blanks in it.")
        return self.plain(cut.group(1)), self.plain(cut.group(2))

    def rest(self) -> str:
        """Everything left as one text."""
        text = " ".join(self.plain(word) for word in self.left)
        self.left = []
        return text

    def error(self, message: str, remedy: str) -> InputError:
        """An error that names the line."""
        return InputError("scenario.line", f"{message}.", where=self.where, remedy=remedy)


def _read_event(day: str, words: _Words, sequence: int) -> Row:
    kind = words.take("the type of the event")
    if kind not in SHAPES:
        raise words.error(f"there is no event '{kind}'", f"Events are {', '.join(SHAPES)}.")
    event: Row = {"seq": sequence, "date": day, "type": kind}
    for part in SHAPES[kind]:
        if part.startswith("'"):
            word = words.take(f"'{part[1:]}'")
            if word != part[1:]:
                usage = f"Write: DATE {_usage(kind)}."
                raise words.error(f"'{part[1:]}' belongs where '{word}' stands", usage)
        elif part.startswith("="):
            _read_amount(event, words)
        elif not part.startswith("["):
            event[part] = words.take(f"'{part}'")
    while words.left:
        if "=" in words.left[0]:
            name, value = _read_field(words)
            event[name] = value
        else:
            _read_option(event, words.take("a word"), words)
    return event


def _read_field(words: _Words) -> tuple[str, Any]:
    """`name=text` or `name:=JSON`."""
    name, value = words.pair("=", "a field as name=value")
    if not name.endswith(":"):
        return name, value
    try:
        return name[:-1], json.loads(value, parse_float=str)  # never a binary float (D2)
    except ValueError:
        raise words.error(f"{value} is not JSON", f"Write {name[:-1]}=text or JSON.") from None


def _read_amount(event: Row, words: _Words) -> None:
    """`@ price` a share or `for total`; neither means that it is not known."""
    if not words.left or words.left[0] not in ("@", "for"):
        return
    if words.take("'@' or 'for'") == "for":
        event["amount"] = words.take("the total after 'for'")
        return
    price = words.take("the price after '@'")
    if not all(re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", n) for n in (price, event["qty"])):
        raise words.error(f"{event['qty']} @ {price} is no product", "Write plain decimals.")
    total = _product(event["qty"], price)
    if total is None:
        remedy = "Write the total instead: 'for 123.45'."
        raise words.error(f"{event['qty']} @ {price} is not whole cents", remedy)
    event["amount"] = total


def _product(quantity: str, price: str) -> str | None:
    """Dollars with two decimals, None where that is not exact."""
    whole = [Decimal(number).as_integer_ratio() for number in (quantity, price)]
    over, under = whole[0][0] * whole[1][0] * 100, whole[0][1] * whole[1][1]
    if over % under:
        return None
    cents = over // under
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def _read_option(event: Row, name: str, words: _Words) -> None:
    kind = event["type"]
    if name != "seq" and f"[{name}]" not in SHAPES[kind]:
        usage = f"Write: DATE {_usage(kind)}."
        raise words.error(f"'{name}' means nothing in a {kind}", usage)
    if name in SWITCHES:
        event[name] = True
    elif name == "seq":
        value = words.take("a number after 'seq'")
        if not value.isascii() or not value.isdecimal():
            raise words.error(f"seq {value} is not a whole number", "Number events from 1.")
        event["seq"] = int(value)
    elif name == "picks":
        event[name] = [
            dict(zip(("lot", "qty"), words.pair(":", "a lot and shares as LOT:QTY"), strict=True))
            for _ in _while(words, ":")
        ]
    elif name == "select":
        event[name] = dict(words.pair("=", "a criterion as name=value") for _ in _while(words, "="))
    else:
        event[name] = words.take(f"a value after '{name}'")


def _while(words: _Words, mark: str) -> Iterator[None]:
    """As long as the next word is a pair; the first one must be."""
    yield
    while words.left and mark in words.left[0]:
        yield


def _read_frame(case: Row, first: str, words: _Words) -> None:
    if first in TEXTS:
        case[first] = words.rest()
    elif first in ("policy", "tolerance"):
        name = words.take("a name")
        case.setdefault(first, {})[name] = words.take(f"a value after '{name}'")
    elif first == "account":
        account = {"id": words.take("the account's name"), "type": words.take("taxable or ira")}
        while words.left:
            name = words.take("a word")
            account[name] = words.take(f"a value after '{name}'")
        case["accounts"].append(account)
    elif first == "identical":
        group = [words.take("a security")]
        while words.left:
            group.append(words.take("a security"))
        case.setdefault("substantially_identical", []).append(group)
    elif first == "set":
        name, value = _read_field(words)
        case[name] = value
    elif first.startswith("expect"):
        _read_expect(case.setdefault(first, {}), words)
    else:
        begin = f"{', '.join(TEXTS)}, policy, tolerance, account, identical, set, expect"
        raise words.error(f"'{first}' begins no line", f"Lines begin with a date or: {begin}.")
    if words.left:
        raise words.error(f"'{words.left[0]}' is too much", "End the line before it.")


def _read_expect(expect: Row, words: _Words) -> None:
    section = words.take("totals, closed, open, dividends or error")
    row: Row = {}
    while words.left:
        name, value = words.pair("=", "a field as name=value")
        row[name] = _typed(name, value, words)
    if section in ("totals", "error"):
        expect.setdefault(section, {}).update(row)
    elif section in ("closed", "open", "dividends"):
        expect.setdefault(section, []).extend([row] if row else [])
    else:
        raise words.error(
            f"nothing is expected of '{section}'", "Write totals, closed, open, dividends or error."
        )


def _typed(name: str, value: str, words: _Words) -> Any:
    if name == "qualified":
        return value == "true"
    if name in COUNTS and value.isascii() and value.isdecimal():
        return int(value)
    if name == "replaced_by":
        inner = _Words(value.replace(",", " "), words.where)
        pairs = [inner.pair(":", "lots as LOT:QTY,LOT:QTY") for _ in list(inner.left)]
        return [{"lot": lot, "qty": quantity} for lot, quantity in pairs]
    return value


def _usage(kind: str) -> str:
    """How an event is written, for errors."""
    words = []
    for part in SHAPES[kind]:
        name = part.strip("'=[]")
        if part.startswith("["):
            words.append(f"[{name}]" if name in SWITCHES else f"[{name} {name.upper()}]")
        else:
            words.append("@ PRICE (or: for TOTAL)" if part.startswith("=") else
                         name if part.startswith("'") else name.upper())  # fmt: skip
    return f"{kind} {' '.join(words)}"


# --- writing ---------------------------------------------------------------------------------


def _frame_lines(case: Mapping[str, Any]) -> Iterator[str]:
    for name in ("policy", "tolerance"):
        for key, value in (case.get(name) or {}).items():
            yield f"{name} {_word(key)} {_word(value)}"
    for account in case.get("accounts") or ():
        others = {k: v for k, v in account.items() if k not in ("id", "type")}
        more = "".join(f" {_word(name)} {_word(value)}" for name, value in others.items())
        yield f"account {_word(account['id'])} {_word(account['type'])}{more}"
    for group in case.get("substantially_identical") or ():
        yield "identical " + " ".join(_word(name) for name in group)
    known = {*TEXTS, "policy", "accounts", "substantially_identical", "events", "tolerance"}
    for name, value in case.items():
        if name not in known and not name.startswith("expect"):
            yield f"set {_extra(name, value)}"


def _event_line(event: Mapping[str, Any], usual: int) -> str:
    kind = event["type"]
    if kind not in SHAPES:
        raise _unwritable(f"there is an event '{kind}'")
    words = [event["date"], kind]
    left = {k: v for k, v in event.items() if k not in ("seq", "date", "type")}
    options: list[str] = []
    for part in SHAPES[kind]:
        name = part.strip("'=[]")
        if part.startswith("'"):
            words.append(name)
        elif part.startswith("="):
            words += _amount_words(event["qty"], left.pop("amount", None))
        elif not part.startswith("["):
            words.append(_word(left.pop(name, None)))
        elif name in SWITCHES:
            options += [name] if left.get(name) is True and left.pop(name) else []
        elif _has_words(name, left.get(name)):
            options += [name, _option_text(name, left.pop(name))]
    if event["seq"] != usual:
        options += ["seq", str(event["seq"])]
    fields = [_extra(name, value) for name, value in left.items()]  # before criteria of `select`
    return " ".join([*words, *fields, *options])


def _has_words(name: str, value: Any) -> bool:
    """Whether an option is written in words; anything else is written as a field."""
    if name == "picks":
        return bool(value) and all(
            set(pick) == {"lot", "qty"} and all(isinstance(v, str) for v in pick.values())
            for pick in value
        )
    if name == "select":
        return bool(value) and all(isinstance(v, str) for v in value.values())
    return isinstance(value, str)


def _extra(name: str, value: Any) -> str:
    """`name=text` or `name:=JSON`, one word."""
    if isinstance(value, str):
        return f"{_word(name)}={_word(value)}"
    return f"{name}:={json.dumps(json.dumps(value))}"


def _amount_words(quantity: str, total: Any) -> list[str]:
    """A price where it gives back the same total, to the letter."""
    if total is None:
        return []
    if not all(re.fullmatch(r"-?[0-9]{1,12}(\.[0-9]{1,12})?", n) for n in (quantity, total)):
        return ["for", _word(total)]
    held, cost = (Decimal(number).as_integer_ratio() for number in (quantity, total))
    if not held[0] or (cost[0] * held[1] * 100) % (cost[1] * held[0]):
        return ["for", total]
    cents = (cost[0] * held[1] * 100) // (cost[1] * held[0])
    written = f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"
    return ["@", written] if _product(quantity, written) == total else ["for", total]


def _option_text(name: str, value: Any) -> str:
    if name == "picks":
        return " ".join(f"{_word(pick['lot'])}:{_word(pick['qty'])}" for pick in value)
    if name == "select":
        return " ".join(f"{_word(key)}={_word(criterion)}" for key, criterion in value.items())
    return _word(value)


def _expect_lines(name: str, expect: Mapping[str, Any]) -> Iterator[str]:
    for section, rows in expect.items():
        if not rows:
            yield f"{name} {section}"
        for row in [rows] if isinstance(rows, Mapping) else rows:
            yield f"{name} {section} " + " ".join(_field(key, value) for key, value in row.items())


def _field(name: str, value: Any) -> str:
    if name == "replaced_by":
        lots = ",".join(f"{_word(pick['lot'])}:{_word(pick['qty'])}" for pick in value)
        return f"{name}={_quoted(lots) if not _plain(lots) else lots}"
    if isinstance(value, bool):
        return f"{name}={'true' if value else 'false'}"
    return f"{name}={_word(str(value))}"


def _plain(text: str) -> bool:
    return all(_BARE.fullmatch(part) for part in re.split("[:,]", text))


def _word(value: Any) -> str:
    """One word, in quotation marks where it would be read as something else."""
    if not isinstance(value, str):
        raise _unwritable(f"there is no word for {value!r}")
    return value if _BARE.fullmatch(value) else json.dumps(value)


def _quoted(value: Any) -> str:
    """A text of several words; quoted where blanks or marks would be lost."""
    if not isinstance(value, str):
        raise _unwritable(f"there is no word for {value!r}")
    plain = value and all(_BARE.fullmatch(word) for word in value.split(" "))
    return value if plain else json.dumps(value)


def _unwritable(what: str) -> InputError:
    return InputError(
        "scenario.unwritable",
        f"This case has no text: {what}.",
        where="case",
        remedy="Send it as JSON.",
    )
