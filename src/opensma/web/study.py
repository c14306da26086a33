"""`/study`: a public page that a firm brands: typed holdings, behind a gate, what moving costs.

The gate (AD-D6, AD-D6b) names audience, criteria, assumptions and risks; no figure is shown before
it is passed. Works without scripts. A visit that agrees leaves one touch with a hashed address.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from email.parser import BytesParser
from email.policy import HTTP
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from markupsafe import Markup
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from opensma.errors import InputError
from opensma.growth.experiments.assignment import arm_of, position_of
from opensma.growth.privacy import email_key
from opensma.tax.rates import STATUSES, MarginalRates, known_years, marginal_rates
from opensma.trade.study import Study, read_holdings, study
from opensma.web.events import Events, limited

MOST_BYTES = 65_536
MOST_EXCLUDED = 3
_ORIGIN = re.compile(r"https://[a-z0-9.-]+(:\d+)?")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_TEXTS = ("firm", "colour", "logo_text", "headline", "audience", "criteria", "assumptions", "risks")
_FIELDS = ("holdings", "state", "status", "income", "years", "exclude", "gate", "email",
           "agree", "heard", "unit", "landing", "referrer")  # fmt: skip
_INCOMES = ("50000", "150000", "300000", "600000", "1500000")


@dataclass(frozen=True, slots=True)
class Brand:
    """How a firm shows the page, as data."""

    texts: Mapping[str, str]
    legal: tuple[str, ...]
    headlines: Mapping[str, str]  # by variant, beside the one without
    salt: str
    embed_origins: tuple[str, ...]

    def variant(self, unit: str) -> str:
        """The arm of a firm or an office (X1), equal weights; a visit without one has none."""
        if not unit or not self.headlines:
            return ""
        arms = ("", *sorted(self.headlines))
        return arms[arm_of(position_of(self.salt, unit), [1.0 / len(arms)] * len(arms))]


def read_brand(path: Path | None = None) -> Brand:
    """Ours, or a file in the same shape (OPENSMA_STUDY); InputError names what is wrong."""
    where = "study.json" if path is None else str(path)
    text = (files("opensma.web").joinpath("study.json") if path is None else path).read_text(
        "utf-8"
    )
    try:
        document = json.loads(text)
        brand = Brand(
            {name: str(document[name]) for name in _TEXTS}, tuple(document["legal"]),
            dict(document.get("variant_headlines", {})), str(document.get("salt", "study")),
            tuple(document.get("embed_origins", ())),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            "study.brand", f"The page's settings cannot be read: {error}.", where=where,
            remedy="Take src/opensma/web/study.json as the pattern.",
        ) from error  # fmt: skip
    if not _COLOUR.fullmatch(brand.texts["colour"]):
        raise InputError(
            "study.colour", f"'{brand.texts['colour']}' is no colour.", where=where,
            remedy="Write it as #0a5a8c.",
        )  # fmt: skip
    if bad := [one for one in brand.embed_origins if not _ORIGIN.fullmatch(one)]:
        raise InputError(
            "study.origin", f"'{bad[0]}' is no origin.", where=where,
            remedy="Write it as https://www.example.com.",
        )  # fmt: skip
    return brand


def study_file() -> Path | None:
    """The firm's own settings, named by OPENSMA_STUDY."""
    named = os.environ.get("OPENSMA_STUDY")
    return Path(named) if named else None


@dataclass(frozen=True, slots=True)
class Shown:
    """What stands below the form: an answer, or why there is none."""

    found: Study | None = None
    rates: MarginalRates | None = None
    error: InputError | None = None
    kept: str = ""


@dataclass
class StudyPage:
    """The page over the newest day's prices; `portal` lends its templates and its desk."""

    portal: Any
    events: Events
    brand: Brand = field(default_factory=read_brand)

    def style(self, request: Request) -> Response:
        """The firm's colour; a file, because the policy allows no style inside a page."""
        return Response(f":root {{ --accent: {self.brand.texts['colour']}; }}\n",
                        media_type="text/css")  # fmt: skip

    def show(self, request: Request) -> Response:
        """The empty form; where the visit came from waits in it for consent."""
        asked = dict.fromkeys(_FIELDS, "")
        asked |= {"status": "joint", "income": _INCOMES[2], "years": "3",
                  "unit": request.query_params.get("unit", "")[:100],
                  "landing": str(request.url)[:1000],
                  "referrer": request.headers.get("referer", "")[:1000]}  # fmt: skip
        return self._page(asked, Shown())

    async def answer(self, request: Request) -> Response:
        """Compute behind the gate, and keep a touch where the reader agreed."""
        body = await limited(request, MOST_BYTES)
        try:
            asked = read_form(body, request.headers.get("content-type", ""))
        except InputError as error:
            return self._page(dict.fromkeys(_FIELDS, ""), Shown(error=error), 413)
        shown = await run_in_threadpool(self._answer, asked)
        return self._page(asked, shown, 422 if shown.error else 200)

    def _answer(self, asked: Mapping[str, str]) -> Shown:
        try:
            if asked["gate"] != "yes":
                raise _refused("gate", "Say that you have read who this is for and what it "
                               "assumes: no figure is shown before.", "Tick the box.")  # fmt: skip
            ready = self.portal.desk.ready()
            lots = read_holdings(asked["holdings"], ready)
            rates = rates_asked(asked, ready.ordinal)
            sectors = [part.strip() for part in asked["exclude"].split(",") if part.strip()]
            if len(sectors) > MOST_EXCLUDED:
                raise _refused("exclude", f"{len(sectors)} sectors; {MOST_EXCLUDED} are the most.",
                               "Name fewer.")  # fmt: skip
            found = study(ready, lots, rates, years_asked(asked["years"]), sectors)
            return Shown(found, rates, None, self._keep(asked))
        except InputError as error:
            return Shown(error=error)

    def _keep(self, asked: Mapping[str, str]) -> str:
        """One touch with consent, a hashed address, and the source that is told (P1, P2)."""
        if asked["agree"] != "yes":
            return "Nothing was kept."
        now = datetime.now(UTC)
        stamp = now.isoformat()
        consent = {"purpose": "analytics", "state": "granted", "source": "study page", "ts": stamp}
        secret = os.environ.get("OPENSMA_GROWTH_SECRET")
        hashed = None
        if asked["email"] and secret:
            hashed = email_key(asked["email"], Path(secret).read_bytes().strip())
        name = hashlib.sha256(repr((stamp, asked["landing"], hashed)).encode()).hexdigest()[:24]
        event: dict[str, object] = {
            "event_id": f"study-{name}", "ts": stamp, "kind": "study", "consent": consent,
            "landing_url": asked["landing"], "referrer": asked["referrer"],
            "self_reported": asked["heard"][:500] or None, "email_hmac": hashed,
            "variant": self.brand.variant(asked["unit"]) or None,
            "firm_id": asked["unit"] or None,
        }  # fmt: skip
        self.events.take(f"study-{name}", [event])
        person = "a hash of your address" if hashed else "no address"
        return f"Kept, as you agreed: this visit, its source, and {person}. No holdings."

    def _page(self, asked: Mapping[str, str], shown: Shown, status: int = 200) -> Response:
        brand = self.brand
        headline = brand.headlines.get(brand.variant(asked["unit"]), brand.texts["headline"])
        ready = self.portal.desk.ready()
        data = {"@context": "https://schema.org", "@type": "WebApplication", "name": headline,
                "applicationCategory": "FinanceApplication", "operatingSystem": "any",
                "isAccessibleForFree": True,
                "provider": {"@type": "Organization", "name": brand.texts["firm"]}}  # fmt: skip
        text = self.portal.env.get_template("study.html").render(
            brand=brand, headline=headline, asked=asked, shown=shown, statuses=STATUSES,
            incomes=_INCOMES, day=date.fromordinal(ready.ordinal).isoformat(),
            sectors=ready.prepared.universe.sector_name, example=_example(ready.symbols),
            schema=Markup(json.dumps(data).replace("<", "\\u003c")),
        )  # fmt: skip
        return HTMLResponse(text, status_code=status)


def _example(symbols: tuple[str, ...]) -> str:
    days = ("2020-03-16", "2023-11-01", "2024-06-03")
    rows = [f"{s},{100 * (i + 1)},{4000 * (i + 1)},{days[i]}" for i, s in enumerate(symbols[:3])]
    return "\n".join(["symbol,shares,cost,acquired", *rows])


def read_form(body: bytes, content_type: str) -> dict[str, str]:
    """Fields of a form with or without a file; a file's text takes the place of what was typed."""
    if len(body) > MOST_BYTES:
        raise _refused("upload", f"It is larger than {MOST_BYTES // 1024} KB.", "Give fewer lots.")
    found: dict[str, str] = {}
    if content_type.startswith("multipart/form-data"):
        head = f"Content-Type: {content_type}\r\n\r\n".encode()
        for part in BytesParser(policy=HTTP).parsebytes(head + body).iter_parts():
            name = part.get_param("name", header="content-disposition")
            raw = part.get_payload(decode=True)
            text = raw.decode("utf-8", errors="replace") if isinstance(raw, bytes) else ""
            if name == "file" and text.strip():
                found["holdings"] = text
            elif isinstance(name, str) and not (name == "holdings" and "holdings" in found):
                found[name] = text
    else:
        found = dict(parse_qsl(body.decode("utf-8", errors="replace")))
    return {name: found.get(name, "").strip() for name in _FIELDS}


def rates_asked(asked: Mapping[str, str], day: int) -> MarginalRates:
    """Marginal rates of a form's state, status and income; InputError where one is none."""
    income = asked["income"].replace(",", "").replace("$", "")
    if not income.isdigit() or len(income) > 10:
        raise _refused("income", f"'{asked['income']}' is no income.", "Write whole dollars.")
    year = min(date.fromordinal(day).year, known_years()[-1])
    cents = int(income) * 100
    return marginal_rates(year, asked["status"], cents, cents, asked["state"].upper())


def years_asked(text: str) -> int:
    """Years from 1 to 5; InputError otherwise."""
    if not text.isdigit() or not 1 <= int(text) <= 5:
        raise _refused("years", f"'{text}' is no number of years from 1 to 5.", "Write 1 to 5.")
    return int(text)


def _refused(where: str, what: str, remedy: str) -> InputError:
    return InputError(f"study.{where}", what, where=where, remedy=remedy)
