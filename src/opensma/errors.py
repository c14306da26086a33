"""One tree of errors: every message gives a code, what happened, where, and the remedy.

    OpensmaError                  carries code, message, where, remedy; exit code 2
    |-- InputError                what a user gave is wrong: file, option, identifier
    |-- MarketError               prices, actions or members are missing or inconsistent
    |-- LotError                  lots cannot be relieved as asked; the position is unchanged
    |-- PlanError                 no plan for this account; the account is left alone
    |-- BookError                 the book refuses: unknown account, duplicate, locked, corrupt
    `-- InvariantError            a bug of ours, found before it was written

An error is a value first and becomes text or JSON only at the edge (`opensma.cli`, `opensma.web`).
"""

from dataclasses import dataclass


class OpensmaError(Exception):
    """Base of every expected failure: `code` is stable, `remedy` says what to do next."""

    def __init__(self, code: str, message: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        place = f" at {self.where}" if self.where else ""
        remedy = f" Remedy: {self.remedy}" if self.remedy else ""
        return f"{self.code}{place}: {self.message}{remedy}"

    def __reduce__(self) -> tuple[object, ...]:
        """Errors cross process borders in the worker pool with all four fields."""
        return (_rebuild, (type(self), self.code, self.message, self.where, self.remedy))

    def as_dict(self) -> dict[str, str]:
        """The `error` object of the command-line contract."""
        return {
            "code": self.code,
            "message": self.message,
            "where": self.where,
            "remedy": self.remedy,
        }


def _rebuild(
    kind: type[OpensmaError], code: str, message: str, where: str, remedy: str
) -> OpensmaError:
    return kind(code, message, where=where, remedy=remedy)


class InputError(OpensmaError):
    """What the user gave is wrong: a file, an option, an identifier."""


class MarketError(OpensmaError):
    """Prices, corporate actions or members are missing or contradict each other."""


class LotError(OpensmaError):
    """Lots cannot be relieved as asked; every lot is as it was (D7, L9)."""


class PlanError(OpensmaError):
    """No plan for this account. Other accounts are not touched."""


class BookError(OpensmaError):
    """The book refuses: unknown account, duplicate fact, locked, corrupt, full disk."""


class InvariantError(OpensmaError):
    """A bug of ours, found before anything was written."""


def ensure(condition: object, message: str, **facts: object) -> None:
    """Raise InvariantError unless `condition`; stays on in production (assert goes under -O)."""
    if not condition:
        detail = ", ".join(f"{name}={value!r}" for name, value in facts.items())
        raise InvariantError(
            "invariant.broken",
            f"{message} ({detail})" if detail else message,
            remedy="Nothing was written. Please report this with the facts above.",
        )


@dataclass(frozen=True, slots=True)
class Finding:
    """One named observation about input data: an `error` stops, a `warning` is kept."""

    severity: str  # "error" or "warning"
    code: str
    where: str
    what: str
    remedy: str

    def as_dict(self) -> dict[str, str]:
        """Plain JSON form."""
        return {
            "severity": self.severity,
            "code": self.code,
            "where": self.where,
            "what": self.what,
            "remedy": self.remedy,
        }
