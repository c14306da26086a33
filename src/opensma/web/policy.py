"""What an address asks of who comes: the only way to add one is with a policy (P24)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from opensma.book.rights import Right


@dataclass(frozen=True, slots=True)
class Policy:
    """Deny by default: without `public` somebody must be signed in and hold the right.

    An `account_id` or `taxpayer_id` in the address must be one on which they hold it. An export
    and a step up ask for a fresh proof of who they are.
    """

    right: Right | None = None  # None: anybody signed in
    public: bool = False
    export: bool = False
    step_up: bool = False
    csrf: bool = True  # of requests that change something; a server's events carry no form
    write: bool = False


@dataclass(frozen=True, slots=True)
class Screen:
    """One address: its name in the audit log, what answers, and its policy."""

    path: str
    name: str
    answer: Callable[[Any, Request], Any]  # (pages of the viewer, request); may be a coroutine
    policy: Policy
    methods: tuple[str, ...] = ("GET",)


PUBLIC = Policy(public=True)
SIGNED_IN = Policy()


def needs(right: Right, export: bool = False, step_up: bool = False) -> Policy:
    """The usual policy: one right."""
    return Policy(right, export=export, step_up=step_up)


__all__ = ["PUBLIC", "SIGNED_IN", "Policy", "Request", "Response", "Screen", "needs"]
