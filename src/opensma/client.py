"""A small client of the HTTP API: typed answers, pages followed, changes that are made once.

    with Client("https://portal.example.com", token) as sma:
        for account in sma.accounts():
            print(account.account_id, account.value_cents)

Needs the extra `client` (httpx). Answers are frozen dataclasses with the fields of the API; a field
that a newer server adds is left out.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import date
from types import TracebackType
from typing import Any, TypeVar

from opensma.errors import InputError, OpensmaError

_RETRIED = (429, 502, 503, 504)
_TRIES = 4
Answer = TypeVar("Answer")


class ApiError(OpensmaError):
    """What the API refused, with its code, message, place and remedy."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account with its newest figures; None before its first day."""

    account_id: str
    name: str
    registration: str
    status: str
    opened: str
    strategy_id: str
    value_cents: int | None
    cash_cents: int | None
    unrealised_cents: int | None
    time_weighted_return: float | None
    benchmark_return: float | None
    as_of: str | None


@dataclass(frozen=True, slots=True)
class Lot:
    """One open lot."""

    lot: int
    acquired: str
    quantity_micros: int
    basis_cents: int
    value_cents: int
    gain_cents: int
    long_term: bool
    long_from: str
    wash_cents: int


@dataclass(frozen=True, slots=True)
class Position:
    """A security with its lots."""

    symbol: str
    name: str
    sector: str
    quantity_micros: int
    price_micros: int
    value_cents: int
    basis_cents: int
    weight: float
    target: float
    lots: tuple[Lot, ...]


@dataclass(frozen=True, slots=True)
class Trade:
    """A trade with its reason; risk, tax and cost in cents add up over a plan."""

    trade_id: str
    day: str
    side: str
    symbol: str
    quantity_micros: int
    price_micros: int
    notional_cents: int
    reason: str
    why: str
    risk_cents: int
    tax_cents: int
    cost_cents: int
    lot: int | None
    posted: bool


@dataclass(frozen=True, slots=True)
class Performance:
    """Returns of a period, gross and net together; None with a reason in `missing`."""

    first: str
    last: str
    gross_return: float
    net_return: float | None
    benchmark_return: float
    money_weighted_return: float | None
    after_tax_return: float | None
    tracking_error: float | None
    max_drawdown: float
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """A wish of an owner with its answer."""

    request_id: str
    account_id: str
    state: str
    note: str
    verdict: str
    reason: str


def signed(secret: str, header: str, body: bytes, now: float, within_seconds: int = 300) -> bool:
    """Whether a webhook's `Opensma-Signature` is ours and fresh; an old one may be a replay."""
    parts = dict(part.split("=", 1) for part in header.split(",") if "=" in part)
    at = parts.get("t", "")
    if not at.isdigit() or abs(now - int(at)) > within_seconds:
        return False
    word = hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(word, parts.get("v1", ""))


class Client:
    """Calls one server with one token. `transport` is httpx's own, for tests."""

    def __init__(
        self, url: str, token: str, transport: Any = None, pause_seconds: float = 0.5
    ) -> None:
        try:
            import httpx
        except ModuleNotFoundError:
            raise InputError(
                "client.httpx", "The client needs httpx, which is not installed.", where="httpx",
                remedy="pip install 'opensma[client]'",
            ) from None  # fmt: skip
        self._http = httpx.Client(
            base_url=f"{url.rstrip('/')}/api/v1", transport=transport, timeout=30,
            headers={"Authorization": f"Bearer {token}"},
        )  # fmt: skip
        self._pause = pause_seconds

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._http.close()

    def accounts(self, limit: int = 200) -> Iterator[Account]:
        """Every account that the token's user may see, by id."""
        after = ""
        while True:
            part = self._ask("GET", "/accounts", {"limit": limit, "after": after})
            yield from (_made(Account, one) for one in part["items"])
            if part["next"] is None:
                return
            after = part["next"]

    def account(self, account_id: str) -> Account:
        """One account."""
        return _made(Account, self._ask("GET", f"/accounts/{account_id}"))

    def positions(self, account_id: str) -> tuple[Position, ...]:
        """What an account holds, each security with its lots."""
        found = self._ask("GET", f"/accounts/{account_id}/holdings")["positions"]
        return tuple(
            _made(Position, one | {"lots": tuple(_made(Lot, lot) for lot in one["lots"])})
            for one in found
        )

    def trades(self, account_id: str) -> tuple[Trade, ...]:
        """The trades of the newest plan."""
        found = self._ask("GET", f"/accounts/{account_id}/plan")["trades"]
        return tuple(_made(Trade, one) for one in found)

    def performance(
        self, account_id: str, first: date | None = None, last: date | None = None
    ) -> Performance:
        """Returns between the closes of two days, by default of the account's whole life."""
        days = {"first": first, "last": last}
        given = {name: day.isoformat() for name, day in days.items() if day is not None}
        found = self._ask("GET", f"/accounts/{account_id}/performance", given)
        return _made(Performance, found | {"missing": tuple(found["missing"])})

    def requests(self, account_id: str) -> tuple[Request, ...]:
        """What was asked for an account, open requests first."""
        found: Any = self._ask("GET", f"/accounts/{account_id}/requests")
        return tuple(_made(Request, one) for one in found)

    def ask(self, account_id: str, key: str | None = None, **wish: str) -> Request:
        """Ask for a change, once: sent again with the same key it is the same request."""
        headers = {"Idempotency-Key": key or f"client-{secrets.token_hex(16)}"}
        path = f"/accounts/{account_id}/requests"
        return _made(Request, self._ask("POST", path, body=wish, headers=headers))

    def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        for attempt in range(_TRIES):
            answer = self._http.request(method, path, params=query, json=body, headers=headers)
            if answer.status_code not in _RETRIED or attempt == _TRIES - 1:
                break
            wait = answer.headers.get("retry-after", "")
            time.sleep(float(wait) if wait.isdigit() else self._pause * 2**attempt)
        if answer.is_success:
            found: dict[str, Any] = answer.json()
            return found
        raise _error(answer)


def _made(kind: type[Answer], document: Mapping[str, Any]) -> Answer:
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in document.items() if name in names})


def _error(answer: Any) -> ApiError:
    try:
        told = answer.json()["error"]
    except (ValueError, KeyError, TypeError):
        told = {}
    return ApiError(
        str(told.get("code", f"http.{answer.status_code}")),
        str(told.get("message", "The server did not answer as it should.")),
        where=str(told.get("where", "")) or str(answer.request.url.path),
        remedy=str(told.get("remedy", "")),
    )
