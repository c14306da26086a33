"""A gift of securities: which lots an owner could give for an amount, and asking for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from starlette.requests import Request
from starlette.responses import Response

from opensma.errors import InputError
from opensma.trade.giving import GiftChoice, gift_choices, gift_words
from opensma.units import parse_cents
from opensma.web.portal import Portal
from opensma.web.what_if import ON_FILE


@dataclass
class Giving:
    """The page, for the portal's viewer."""

    portal: Portal

    def show(self, request: Request) -> Response:
        """The form, and what it would give."""
        account_id = request.path_params["account_id"]
        text = request.query_params.get("amount", "").strip()[:40]
        stands = self.portal.desk.standing(account_id, self.portal.viewer, ON_FILE)
        choices: list[GiftChoice] = []
        error = None
        if text:
            try:
                cents = parse_cents(text.removeprefix("$").replace(",", ""), "amount")
                choices = gift_choices(stands, cents)
            except InputError as refused:
                error = refused
        return self.portal.page(
            "giving.html", account_id=account_id, amount=text, choices=choices, error=error,
            words=gift_words, taxed=stands.account.lt_rate > 0,
            closes=date.fromordinal(stands.ready.ordinal).isoformat(),
        )  # fmt: skip
