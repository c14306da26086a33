"""The state of a replay: accounts, names of securities, open positions, and what has closed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from opensma.errors import InputError
from opensma.tax.replay.events import Event
from opensma.tax.replay.exact import Quantity
from opensma.tax.replay.instructions import Choice, Standing, standing_orders
from opensma.tax.replay.lots import Closed, Dividend, Lot, ShortLot
from opensma.tax.replay.order import Position
from opensma.tax.replay.policy import METHODS, Policy

Scope = tuple[object, object]  # what a loss is compared with: household and group, or narrower


@dataclass(frozen=True, slots=True)
class Account:
    """An account of a household; another owner in one household is the spouse (W15, W16)."""

    name: str
    taxable: bool
    household: str
    owner: str
    standing: Sequence[Standing] = ()  # methods by the day they are valid from (L3)


@dataclass(slots=True, eq=False)
class Loss:
    """A slice sold at a loss, as far as nothing has replaced it yet."""

    row: Closed
    acquisition: str
    sequence: int
    security: int
    units: Quantity  # split factor of its security on the day of sale (W19)
    done: bool = False  # wholly replaced


@dataclass(slots=True)
class State:
    """Everything that events change. Positions are keyed by account and security."""

    accounts: list[Account]
    method: str
    policy: Policy
    identical: Sequence[Sequence[str]]
    numbers: dict[str, int]
    positions: dict[tuple[int, int], Position] = field(default_factory=dict)
    shorts: dict[tuple[int, int], list[ShortLot]] = field(default_factory=dict)
    closed: list[Closed] = field(default_factory=list)
    dividends: list[Dividend] = field(default_factory=list)
    names: list[str] = field(default_factory=list)  # of securities, by number
    securities: dict[str, int] = field(default_factory=dict)
    group: dict[int, int] = field(default_factory=dict)  # security -> identical group (W17)
    units: dict[int, Quantity] = field(default_factory=dict)  # product of splits (W19)
    lot_names: set[tuple[int, str]] = field(default_factory=set)
    parts: dict[str, int] = field(default_factory=dict)  # cut off so far, by lot (W23)
    shows_parts: bool = False  # the answer numbers them
    rounds: bool = False  # a ratio has rounded positions to millionths
    pending: list[Loss] = field(default_factory=list)  # of the order being booked (W13)
    begun: dict[tuple[int, object], list[Loss]] = field(default_factory=dict)  # of those that go on
    losses: dict[Scope, deque[Loss]] = field(default_factory=dict)
    expired: list[Loss] = field(default_factory=list)  # that no purchase of today can replace
    candidates: dict[Scope, deque[Lot]] = field(default_factory=dict)
    at: object = None  # the event being applied, as given
    seen: set[int | str] = field(default_factory=set)  # numbers and ids of events
    choices: dict[int, Choice] = field(default_factory=dict)  # by their own number (L2)
    chosen: dict[int, Event] = field(default_factory=dict)  # by the number of the sale
    # For the review: every short sale with its shares of the day (W24).
    short_sales: list[tuple[ShortLot, Quantity]] = field(default_factory=list)
    uneven: set[tuple[int, int]] = field(default_factory=set)  # not at the average since (L8)
    serial: int = 0  # of the last lot or part that came into a position
    moved: bool = False  # lots changed places: candidates must be looked up again

    def account(self, event: Event, name: str = "account") -> int:
        """Number of the account a field names. LotError event.unknown_account."""
        text = event.text(name)
        if text not in self.numbers:
            known = ", ".join(sorted(self.numbers))
            raise event.invalid(
                "event.unknown_account", f"There is no account {text}.", f"Accounts are {known}."
            )
        return self.numbers[text]

    def security(self, name: str) -> int:
        """Number of a security; a name that changed still finds it (C8, W20)."""
        if name not in self.securities:
            number = self.securities[name] = len(self.names)
            self.names.append(name)
            self.units[number] = 1
            self.group[number] = self.group_of(name, number)
        return self.securities[name]

    def position(self, account: int, security: int) -> Position:
        """Open lots of one account and security, and their order of relief."""
        key = account, security
        if key not in self.positions:
            self.positions[key] = Position()
        return self.positions[key]

    def lots(self, account: int, security: int) -> list[Lot]:
        """Open lots of one position, in order of arrival."""
        return list(self.positions.get((account, security), ()))

    def lots_of(self, security: int) -> Iterator[Lot]:
        """Open lots of one security in every account."""
        for account in range(len(self.accounts)):
            yield from self.lots(account, security)

    def add(self, lot: Lot) -> None:
        """Put a lot, or a part that was cut off, where it belongs."""
        self.hold(lot).place(lot)

    def hold(self, lot: Lot) -> Position:
        """Let a lot into its position, which has yet to `place` it in its order of relief."""
        lot.serial = self.serial = self.serial + 1
        position = self.position(lot.account, lot.security)
        position.hold(lot)
        self.uneven.add((lot.account, lot.security))
        return position

    def remove(self, lot: Lot) -> None:
        """Take a lot out of its position: all of it was sold."""
        self.positions[lot.account, lot.security].remove(lot)
        self.uneven.add((lot.account, lot.security))

    def changed(self, lot: Lot) -> None:
        """A lot has another basis, quantity or date: find its place in the order of relief."""
        self.positions[lot.account, lot.security].changed(lot)
        self.uneven.add((lot.account, lot.security))

    def forget_order(self) -> None:
        """An issuer or a transfer changes lots wholesale: positions are sorted anew when sold."""
        for position in self.positions.values():
            position.forget_order()

    def drop_empty(self, account: int, security: int) -> None:
        """Forget lots without shares."""
        position = self.position(account, security)
        for lot in list(position):
            if not lot.quantity:
                position.remove(lot)

    def move(self, lot: Lot, account: int, security: int) -> None:
        """Put an open lot into another position; what it may replace is looked up again."""
        position = self.position(lot.account, lot.security)
        if lot in position:
            position.remove(lot)
        lot.account, lot.security, self.moved = account, security, True
        self.add(lot)

    def scope(self, account: int, security: int) -> Scope:
        """Losses and purchases of one scope may meet (W16, W17; the broker sees less: W18)."""
        if self.policy.view == "broker":
            return account, security
        return self.accounts[account].household, self.group[security]

    def new_lot(self, event: Event, account: int) -> str:
        """The name of a new lot, once per account (D8). LotError lots.exists."""
        name = event.text("lot")
        if (account, name) in self.lot_names:
            raise event.invalid(
                "lots.exists",
                f"Account {self.accounts[account].name} already had a lot {name}.",
                "Give every lot a name of its own.",
            )
        return name

    def group_of(self, name: str, otherwise: int) -> int:
        """The identical group of a name: its place in the list, or the security itself (W17)."""
        places = [place for place, group in enumerate(self.identical) if name in group]
        return -1 - places[0] if places else otherwise


def state_of(case: Mapping[str, Any], policy: Policy) -> State:
    """An empty state with the accounts of a case. InputError case.*"""
    method = case.get("method", "FIFO")
    if method not in METHODS:
        raise _bad("case.method", f"There is no method {method!r}.", f"{', '.join(METHODS)}.")
    listed = case.get("accounts")
    accounts = [_account(entry) for entry in listed] if isinstance(listed, list) else []
    numbers = {account.name: number for number, account in enumerate(accounts)}
    if not accounts or len(numbers) != len(accounts):
        raise _bad("case.accounts", "Accounts are missing or named twice.", "List each one once.")
    identical = case.get("substantially_identical") or []
    whole = isinstance(identical, list)
    if not whole or not all(isinstance(group, list) for group in identical):
        raise _bad("case.identical", "A group is not a list.", "Give lists of securities.")
    if method == "AVERAGE" and any(account.standing for account in accounts):
        raise _bad("case.methods", "AVERAGE leaves no standing orders (L8).", "Leave one out.")
    shows_parts = case.get("parts") is True
    return State(accounts, method, policy, identical, numbers, shows_parts=shows_parts)


def _account(entry: Any) -> Account:
    if not isinstance(entry, Mapping) or entry.get("type") not in ("taxable", "ira"):
        raise _bad(
            "case.accounts",
            f"This is no account: {entry!r}.",
            'Give "id", and as "type" either "taxable" or "ira".',
        )
    name = str(entry.get("id"))
    household = str(entry.get("household", ""))
    owner, orders = str(entry.get("owner", "")), standing_orders(entry)
    return Account(name, entry["type"] == "taxable", household, owner, orders)


def _bad(code: str, message: str, remedy: str) -> InputError:
    return InputError(code, message, where="case", remedy=remedy)
