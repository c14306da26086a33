"""Files of actions against the book: what they would change, and booking them once.

A preview and a posting run the same code over states in memory; only a posting without a single
finding is written. An action is known by its id: the same content again is left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from opensma.book import schema
from opensma.book.actionbook import CORPORATE, HELD, Step, apply, check_conserved, source_of
from opensma.book.actionfile import FileAction, error
from opensma.book.instructions import method_on, read_instructions
from opensma.book.intake import identical_groups
from opensma.book.journal import Booked, Kind
from opensma.book.ledger import append, booked_of, iso_of, load_states
from opensma.book.master import AccountRecord, Security, all_records
from opensma.book.posting import TaxpayerLedger
from opensma.book.state import AccountState
from opensma.book.store import Book
from opensma.errors import Finding, LotError

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class LotChange:
    """A lot before and after; None where it is not there."""

    lot: int
    symbol: str
    new_symbol: str
    before: LotFigures | None
    after: LotFigures | None


@dataclass(frozen=True, slots=True)
class LotFigures:
    """What a lot is at one moment; days as ISO text."""

    quantity_micros: int
    basis_cents: int
    wash_cents: int
    loss_basis_cents: int | None
    acquired: str
    held_from: str
    inherited: bool


@dataclass(frozen=True, slots=True)
class AccountChange:
    """What an action does to one account."""

    account_id: str
    cash_cents: int
    short_gain_cents: int  # realised, losses negative, wash sales not counted
    long_gain_cents: int
    disallowed_cents: int  # by wash sales that the action brings about
    lots: tuple[LotChange, ...]


@dataclass(frozen=True, slots=True)
class ActionOutcome:
    """One action: new, known (booked before with the same content), or idle (nobody holds it)."""

    action_id: str
    kind: str
    day: str
    status: str
    accounts: tuple[AccountChange, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a file does to the book, or why it does nothing."""

    actions: tuple[ActionOutcome, ...]
    findings: tuple[Finding, ...]
    written: bool


def preview(book: Book, actions: Sequence[FileAction], recorded_at: str) -> Outcome:
    """What posting would change; writes nothing."""
    with book.read() as connection:
        return _Desk(connection, recorded_at).run(actions, write=False)


def post(book: Book, actions: Sequence[FileAction], recorded_at: str) -> Outcome:
    """Book every action that is new; with any finding nothing of the file is booked (D7)."""
    with book.write() as connection:
        return _Desk(connection, recorded_at).run(actions, write=True)


def journal_of_actions(
    connection: Connection, action_ids: Iterable[str]
) -> dict[str, list[Booked]]:
    """Main entries of actions by action id, over all accounts."""
    table, found = schema.journal, dict[str, list[Booked]]()
    sources = [source_of(name) for name in action_ids]
    for start in range(0, len(sources), _CHUNK):
        query = (
            select(table)
            .where(table.c.source_id.in_(sources[start : start + _CHUNK]))
            .order_by(table.c.account_key, table.c.seq)
        )
        for row in connection.execute(query):
            booked = booked_of(tuple(row))
            found.setdefault(booked.entry.source_id.removeprefix("action/"), []).append(booked)
    return found


@dataclass
class _Desk:
    """One run over a file: names, ledgers by taxpayer, outcomes and findings."""

    connection: Connection
    recorded_at: str
    findings: list[Finding] = field(default_factory=list)
    outcomes: list[ActionOutcome] = field(default_factory=list)

    def __post_init__(self) -> None:
        accounts = all_records(self.connection, AccountRecord)
        self.accounts = {a.account_id: a for a in accounts}
        self.by_key = {a.account_key: a for a in accounts}
        self.securities = {s.security_key: s for s in all_records(self.connection, Security)}
        self.groups = identical_groups(self.connection)
        self.ledgers: dict[str, TaxpayerLedger] = {}
        self.traded: dict[tuple[int, int], list[Booked]] = {}

    def run(self, actions: Sequence[FileAction], *, write: bool) -> Outcome:
        """Every action in turn; written only when asked and when nothing is wrong."""
        known = journal_of_actions(self.connection, [a.action_id for a in actions])
        self._open(actions)
        for action in actions:
            if action.action_id in known:
                self._meet(action, known[action.action_id])
            else:
                self._act(action)
        done = write and not self.findings
        if done:
            for ledger in self.ledgers.values():
                append(self.connection, ledger.booked, ledger.states.values())
            self._rename(actions, known)
        return Outcome(tuple(self.outcomes), tuple(self.findings), done)

    def _open(self, actions: Sequence[FileAction]) -> None:
        """Load the taxpayers that the file touches: all of them where an action names none."""
        named = {a.account for a in actions} | {a.to_account for a in actions if a.to_account}
        everyone = "" in named
        owners = {r.taxpayer_id for n, r in self.accounts.items() if everyone or n in named}
        members: dict[str, list[AccountRecord]] = {}
        for account in sorted(self.accounts.values(), key=lambda a: a.account_key):
            if account.taxpayer_id in owners:
                members.setdefault(account.taxpayer_id, []).append(account)
        keys = [a.account_key for some in members.values() for a in some]
        states = load_states(self.connection, keys)
        for taxpayer, some in members.items():
            self.ledgers[taxpayer] = TaxpayerLedger(
                [states[a.account_key] for a in some],
                {a.account_key: a.taxed for a in some},
                self.groups,
                self.recorded_at,
            )
        self.instructions = read_instructions(self.connection, keys)

    def _meet(self, action: FileAction, booked: Sequence[Booked]) -> None:
        """An id that the book knows: the same content is left alone, other content is refused."""
        if any(b.entry.body.get("file") != action.digest for b in booked):
            what = f"The book holds a different action under the id '{action.action_id}'."
            remedy = "Compare both files; a correction is a new action, after reversing this one."
            self._say("book.duplicate", action, what, remedy)
            return
        self.outcomes.append(_outcome(action, "known", ()))

    def _act(self, action: FileAction) -> None:
        steps = list(self._steps(action))
        changes: list[AccountChange] = []
        before_findings = len(self.findings)
        for ledger in {id(s.ledger): s.ledger for s in steps}.values():
            own = [s for s in steps if s.ledger is ledger]
            before, first = dict(ledger.states), len(ledger.booked)
            for step in own:
                self._book(step)
            if len(self.findings) > before_findings:
                continue
            ledger.match_washes(action.day, source_of(action.action_id))
            check_conserved(before, ledger, ledger.booked[first:])
            changes += self._changes(before, ledger, ledger.booked[first:])
        if len(self.findings) == before_findings:
            self.outcomes.append(_outcome(action, "new" if steps else "idle", tuple(changes)))

    def _book(self, step: Step) -> None:
        """One account; what is wrong with it becomes a finding, and the rest is still tried."""
        if not self._in_time(step):
            return
        try:
            apply(step)
        except LotError as problem:
            place = f"{problem.where}: " if problem.where else ""
            name = self.by_key[step.account].account_id
            what = f"{name}, {place}{problem.message}"
            self._say(problem.code, step.action, what, problem.remedy)

    # --- names and days --------------------------------------------------------------------------

    def _steps(self, action: FileAction) -> Iterator[Step]:
        """The accounts that an action happens in, with the book's keys; findings where unknown."""
        security = self._security(action, action.security)
        new = self._security(action, action.new_security)
        account, to = (
            self._account(action, action.account),
            self._account(action, action.to_account),
        )
        bad = None in (security, new) or (action.account and account is None)
        if bad or (action.to_account and to is None):
            return
        if action.kind == "transfer" and not self._same_owner(action, account, to):
            return
        if security == new and security:
            what = "'security' and 'new_security' are the same."
            self._say("action.same_security", action, what, "Name what is received.")
            return
        keys = sorted(self.by_key) if account is None else [account.account_key]
        for key in keys:
            record = self.by_key[key]
            ledger = self.ledgers[record.taxpayer_id]
            if action.kind in HELD and not _touched(ledger.states[key], security or 0, action):
                continue
            yield Step(
                ledger,
                action,
                key,
                security or 0,
                new or 0,
                to.account_key if to else 0,
                self.securities[security].symbol if security else "",
                bool(record.whole_shares),
                method_on(self.instructions.get(key, ()), action.day),
            )

    def _account(self, action: FileAction, name: str) -> AccountRecord | None:
        if name and name not in self.accounts:
            what = f"The book has no account '{name}'."
            self._say("account.unknown", action, what, "sma account list shows the accounts.")
        return self.accounts.get(name)

    def _security(self, action: FileAction, name: str) -> int | None:
        """Key of a security by id or by today's symbol; 0 where none is named."""
        if not name:
            return 0
        found = [s for s in self.securities.values() if s.security_id == name]
        found = found or [s for s in self.securities.values() if s.symbol == name]
        if len(found) == 1:
            return found[0].security_key
        if found:
            ids = ", ".join(s.security_id for s in found)
            self._say("security.ambiguous", action, f"{name} is {ids}.", "Give the security's id.")
            return None
        remedy = "Give its id or symbol; a new security enters with its market (sma market import)."
        self._say("security.unknown", action, f"The book has no security '{name}'.", remedy)
        return None

    def _same_owner(
        self, action: FileAction, one: AccountRecord | None, other: AccountRecord | None
    ) -> bool:
        """A transfer in kind stays with its owner and its kind of account (C9)."""
        if one is None or other is None:
            return False
        if one.account_id == other.account_id:
            what, remedy = "Both accounts are the same.", "Name the account that receives."
        elif one.taxpayer_id != other.taxpayer_id:
            what = "The accounts are of different taxpayers: that is no transfer (C9)."
            remedy = "Book a gift_out and a gift_in."
        elif one.taxed != other.taxed:
            what = "One account is taxable and the other a retirement account: no transfer (C9)."
            remedy = "Book a contribution or distribution: transfer_out here, transfer_in there."
        else:
            return True
        self._say("transfer.refused", action, what, remedy)
        return False

    def _in_time(self, step: Step) -> bool:
        """Not before what is booked, before the trades of its day, and not twice (C11, D6)."""
        action, name = step.action, self.by_key[step.account].account_id
        newest = max(state.last_day for state in step.ledger.states.values())
        if action.day < newest:
            what = f"The accounts of {name}'s taxpayer are booked through {iso_of(newest)}."
            self._say("fact.backdated", action, what, "Date it on that day or later.")
            return False
        if action.kind == "lot_choice":
            return self._open_order(step)
        if action.kind not in CORPORATE:
            return True
        for booked in self._of_day(step):
            kind, held = booked.entry.kind, booked.entry.body.get("security")
            parent = booked.entry.body.get("parent", held)
            touched = step.security in (parent if isinstance(parent, list) else [parent])
            if touched and kind in (Kind.BUY, Kind.SELL):
                what = f"{name} has traded it on that day already (C11)."
                remedy = "Actions come before the trades of their day: date it on the next one."
                self._say("action.after_trades", action, what, remedy)
                return False
            if touched and kind.value == _JOURNAL_KIND.get(action.kind, action.kind):
                what = f"{name} has a {kind} of it on that day: {booked.entry.source_id}."
                remedy = "Leave it out, or reverse the other one first."
                self._say("action.booked", action, what, remedy)
                return False
        return True

    def _open_order(self, step: Step) -> bool:
        """Lots can be chosen until the order is booked, and never after it has settled (L2)."""
        table, order = schema.journal, step.action.lots[0].order
        query = select(table).where(
            table.c.account_key == step.account, table.c.kind == Kind.SELL.value
        )
        sales = (booked_of(tuple(row)) for row in self.connection.execute(query))
        sale = next((b for b in sales if order in b.entry.body["ref"]), None)
        if sale is None:
            return True
        settled = iso_of(sale.entry.settle_day)
        if step.action.day > sale.entry.settle_day:
            what = f"Order {order} settled on {settled}: its lots are final (L2)."
            self._say("lots.settled", step.action, what, "Leave the instruction out.")
        else:
            what = f"Order {order} is booked with its lots and settles on {settled}."
            remedy = "Choose lots before the order is booked."
            self._say("lots.booked", step.action, what, remedy)
        return False

    def _of_day(self, step: Step) -> list[Booked]:
        place = step.account, step.action.day
        if place not in self.traded:
            table = schema.journal
            query = select(table).where(
                table.c.account_key == step.account, table.c.trade_day == iso_of(step.action.day)
            )
            rows = [booked_of(tuple(row)) for row in self.connection.execute(query)]
            undone = {
                seq for b in rows if b.entry.kind is Kind.REVERSAL for seq in b.entry.body["of"]
            }
            self.traded[place] = [b for b in rows if b.seq not in undone]
        fresh = [b for b in step.ledger.booked if (b.entry.account_key, b.entry.trade_day) == place]
        return self.traded[place] + fresh

    def _say(self, code: str, action: FileAction, what: str, remedy: str) -> None:
        self.findings.append(error(code, action.line, f"{action.action_id}: {what}", remedy))

    # --- what changed ----------------------------------------------------------------------------

    def _changes(
        self, before: dict[int, AccountState], ledger: TaxpayerLedger, booked: Sequence[Booked]
    ) -> list[AccountChange]:
        touched = sorted({b.entry.account_key for b in booked})
        return [self._change(before[key], ledger.states[key]) for key in touched]

    def _change(self, one: AccountState, other: AccountState) -> AccountChange:
        moved = other.years.sum(axis=0) - (one.years.sum(axis=0) if len(one.years) else 0)
        if not len(other.years):
            moved = [0] * 10
        return AccountChange(
            self.by_key[one.account_key].account_id,
            other.cash_cents - one.cash_cents,
            int(moved[1] - moved[2]),
            int(moved[3] - moved[4]),
            int(moved[5] + moved[6]),
            tuple(self._lot_changes(one, other)),
        )

    def _lot_changes(self, one: AccountState, other: AccountState) -> Iterator[LotChange]:
        then, now = lot_figures(one), lot_figures(other)
        for lot in sorted(then.keys() | now.keys()):
            if then.get(lot) == now.get(lot):
                continue
            (was, before), (is_, after) = then.get(lot, (0, None)), now.get(lot, (0, None))
            symbol = self.securities[was or is_].symbol
            yield LotChange(lot, symbol, self.securities[is_ or was].symbol, before, after)

    def _rename(self, actions: Sequence[FileAction], known: dict[str, list[Booked]]) -> None:
        """A new symbol becomes the name by which people find the security; the key stays (C8)."""
        for action in actions:
            if action.kind == "symbol_change" and action.action_id not in known:
                key = self._security(action, action.security)
                rename(self.connection, int(key or 0), action.new_symbol)


def _touched(state: AccountState, security: int, action: FileAction) -> bool:
    """Whether shares are held, or a split changes the units of an open loss (W19)."""
    lost = action.kind in _JOURNAL_KIND and bool((state.losses.security == security).any())
    return lost or bool((state.lots.security == security).any())


_JOURNAL_KIND = {"split": "split", "stock_dividend": "split"}


def rename(connection: Connection, security_key: int, symbol: str) -> None:
    """Show a security under another symbol from now on (C8)."""
    table = schema.securities
    change = table.update().where(table.c.security_key == security_key)
    connection.execute(change.values(symbol=symbol))


def lot_figures(state: AccountState) -> dict[int, tuple[int, LotFigures]]:
    """Security and figures of every open lot, by lot number."""
    lots, found = state.lots, {}
    for i, number in enumerate(lots.lot.tolist()):
        second = int(lots.loss_basis_cents[i])
        found[number] = (
            int(lots.security[i]),
            LotFigures(
                int(lots.quantity_micros[i]),
                int(lots.basis_cents[i]),
                int(lots.wash_cents[i]),
                None if second < 0 else second,
                iso_of(int(lots.acquired_day[i])),
                iso_of(int(lots.holding_day[i])),
                bool(lots.inherited[i]),
            ),
        )
    return found


def _outcome(action: FileAction, status: str, accounts: tuple[AccountChange, ...]) -> ActionOutcome:
    return ActionOutcome(action.action_id, action.kind, iso_of(action.day), status, accounts)
