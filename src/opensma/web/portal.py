"""The portal's pages: each reads the book for its viewer and hands the result to a template."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from http import HTTPStatus
from threading import Lock
from typing import Any

from jinja2 import Environment
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from opensma.book.master import AccountRecord
from opensma.book.records import trade_record
from opensma.book.rights import Right, Viewer
from opensma.book.store import Book
from opensma.book.taxcalendar import calendar_days
from opensma.book.taxviews import TaxYear, tax_year
from opensma.book.views import AccountView, ProgramView, account_view, activity_page, program_view
from opensma.book.visible import seen_account, visible_among
from opensma.errors import BookError, InputError
from opensma.market import Market
from opensma.measure.after_tax_book import account_tax_management
from opensma.measure.fees_book import as_gross
from opensma.measure.losses_book import losses_worth
from opensma.measure.performance import Performance, account_performance
from opensma.report.charts import value_chart
from opensma.report.explain import why_not_traded, why_traded
from opensma.report.growth import GrowthLines, growth_chart
from opensma.report.ladder import waterfall_chart
from opensma.report.paragraph import plan_paragraph
from opensma.report.what_if import price_head, verdict
from opensma.tax.forms import Form8949Row, to_csv
from opensma.trade.change_text import FIELDS
from opensma.web import accounts, listing, performance, taxes, what_if
from opensma.web.assets import Asset, kept
from opensma.web.kept import OfBook, version_of
from opensma.web.performance import Explained
from opensma.web.tables import whole

YEARS_KEPT, LADDERS_KEPT = 8, 32
_ALL = 1_000_000_000
# Made from the book alone: kept until it changes.
_OF_BOOK = frozenset({
    "program.html", "account.html", "performance.html", "taxes.html", "fees.html",
})  # fmt: skip
SIZES = {"wide": (1060, 320), "narrow": (350, 300)}


@dataclass
class Portal:
    """One book seen by one viewer."""

    book: Book
    market: Market
    viewer: Viewer | None
    env: Environment
    assets: dict[str, Asset]
    desk: what_if.Desk
    _lock: Lock = field(default_factory=Lock)
    _kept: tuple[object, ProgramView, listing.Overview] | None = None
    _ladders: dict[tuple[str, str], tuple[object, Explained | str]] = field(default_factory=dict)
    _years: dict[tuple[str, int | None], tuple[object, TaxYear]] = field(default_factory=dict)

    # --- pages ---------------------------------------------------------------------------------

    def program(self, request: Request) -> Response:
        """Every account, with the day's totals."""
        view, over = self._overview()
        choice = listing.read_choice(request.query_params)
        return self._page(
            "program.html",
            view=view,
            totals=over.totals,
            table=over.page_of(choice, _size(request, listing.PER_PAGE)),
            advisors=over.advisors,
            outcome=listing.outcome,
            tracking_error=listing.tracking_error,
            active_return=listing.active_return,
            composite=self.viewer is None or self.viewer.has(Right.COMPOSITES),
        )

    def account(self, request: Request) -> Response:
        """One account: value, holdings with lots, restrictions, trades with reasons, activity."""
        account_id = request.path_params["account_id"]
        view = self._account(account_id)
        look = accounts.read_look(request.query_params)
        trades = accounts.traded(view.decision, look)
        tpage, tpages, some = _slice(trades, look.tpage, _size(request, accounts.TRADES_PER_PAGE))
        found = accounts.held(view.holdings.positions, look)
        hpage, hpages, held = _slice(found, look.hpage, _size(request, accounts.HOLDINGS_PER_PAGE))
        size = _size(request, accounts.ACTIVITY_PER_PAGE)
        journal = activity_page(self.book, account_id, look.apage, size, self.viewer)
        lines = self._lines(view)
        return self._page(
            "account.html",
            view=view,
            explained=plan_paragraph(view.decision),
            look=look,
            lots=accounts.by_security(view.holdings.lots),
            held=held,
            held_total=len(found),
            hpage=hpage,
            hpages=hpages,
            absent=[p for p in view.holdings.positions if not p.lots],
            sectors=accounts.sectors(view.holdings.positions),
            trades=accounts.trade_rows(view.decision, some),
            matching=len(trades),
            reasons=accounts.reason_counts(view.decision),
            tpage=tpage,
            tpages=tpages,
            left=[(n, why_not_traded(n, view.decision)) for n in view.decision.non_trades],
            entries=journal.rows,
            entries_total=journal.total,
            apage=journal.page,
            apages=journal.pages,
            lines=lines,
            months=accounts.month_ends(lines) if lines else [],
            day=view.holdings.day.isoformat(),
            stopped=self._stopped(),
        )

    def lots(self, request: Request) -> Response:
        """The open lots of one position, as rows that the page's script puts in place."""
        view = self._account(request.path_params["account_id"])
        key = int(request.path_params["security_key"])
        lots = accounts.by_security(view.holdings.lots).get(key)
        if lots is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return self._page("lots.html", lots=lots)

    def chart(self, request: Request) -> Response:
        """The account's value chart as SVG; its address holds the hash of its data."""
        view = self._account(request.path_params["account_id"])
        return self._drawing(request, self._lines(view), value_chart)

    def _drawing(self, request: Request, lines: Any, draw: Callable[..., str]) -> Response:
        """A drawing of lines that may be kept for ever; an old hash is not found."""
        size, scheme = request.path_params["size"], request.path_params["scheme"]
        known = lines is not None and request.path_params["digest"] == lines.digest()
        if not known or size not in SIZES or scheme not in ("light", "dark"):
            raise HTTPException(HTTPStatus.NOT_FOUND)
        width, height = SIZES[size]
        svg = draw(lines, width=width, height=height, dark=scheme == "dark")
        tag = f"{lines.digest()}-{size}-{scheme}"
        answer = kept(request, svg.encode(), "image/svg+xml", tag)
        answer.headers["Cache-Control"] = "private, max-age=31536000, immutable"
        return answer

    def trade(self, request: Request) -> Response:
        """The whole record of one trade, from the decision to the journal."""
        record = trade_record(self.book, request.path_params["trade_id"], self.viewer)
        return self._page(
            "trade.html",
            record=record,
            why=why_traded(record.trade, record.decision),
            day=record.run.day,
            stopped=self._stopped(),
        )

    def performance(self, request: Request) -> Response:
        """Returns of a period with their meaning, a chart and its table, risk, tax, flows."""
        account_id = request.path_params["account_id"]
        view, period = self._account(account_id), performance.read_period(request.query_params)
        values: dict[str, Any] = {"account_id": account_id, "found": None}
        series = view.series
        if series is not None and len(series.days) > 1:
            first = performance.opening(period, series)
            found = account_performance(self.book, self.market, account_id, first, None)
            managed = account_tax_management(self.book, self.market, found)
            lines = self._growth(view, period)
            assert lines is not None
            worth = None
            if managed is not None:
                year = self._kept_year(account_id, found.time_weighted.end.year)
                worth = losses_worth(year, found, managed)
            values |= {
                "found": found,
                "managed": managed,
                "worth": worth,
                "why": self._explained(account_id, period, found),
                "figures": performance.figures(found, managed),
                "lines": lines,
                "months": performance.month_rows(lines, series),
                "flows": performance.flow_rows(series, first),
                "period": period,
                "periods": performance.PERIODS,
                "shorter": period != "all" and first is None,
                "no_tax": performance.why_missing(found).get("after-tax return", ""),
            }
        day = view.holdings.day.isoformat()
        return self._page("performance.html", **values, day=day, stopped=self._stopped())

    def growth(self, request: Request) -> Response:
        """The chart of the performance page as SVG; its address holds the hash of its data."""
        asked = request.path_params
        view = self._account(asked["account_id"])
        lines = (
            self._growth(view, asked["period"]) if asked["period"] in performance.PERIODS else None
        )
        return self._drawing(request, lines, growth_chart)

    def ladder(self, request: Request) -> Response:
        """The waterfall of the performance page as SVG, as `growth`."""
        asked = request.path_params
        account_id, period = asked["account_id"], asked["period"]
        view, drawn = self._account(account_id), None
        if period in performance.PERIODS and view.series is not None and len(view.series.days) > 1:
            first = performance.opening(period, view.series)
            found = account_performance(self.book, self.market, account_id, first, None)
            why = self._explained(account_id, period, found)
            drawn = None if isinstance(why, str) else why.drawing
        return self._drawing(request, drawn, waterfall_chart)

    def _explained(self, account_id: str, period: str, found: Performance) -> Explained | str:
        """Attribution of a period or why there is none; kept until the book changes."""
        with self._lock:
            version, kept = version_of(self.book), self._ladders.pop((account_id, period), None)
        if kept is None or version is None or kept[0] != version:
            kept = version, performance.explained(self.book, self.market, found)
        with self._lock:
            self._ladders[account_id, period] = kept
            while len(self._ladders) > LADDERS_KEPT:
                self._ladders.pop(next(iter(self._ladders)))
        return kept[1]

    def _growth(self, view: AccountView, period: str) -> GrowthLines | None:
        series = view.series
        if series is None or len(series.days) < 2:
            return None
        first = performance.opening(period, series)
        levels = self.market.benchmark_index()
        name = view.account.account_id
        with self.book.read() as connection:
            gross = as_gross(connection, name, series)
        return performance.growth_lines(name, gross, self.market.days, levels, first)

    def taxes(self, request: Request) -> Response:
        """A tax year of an account or a taxpayer: realised, carryforward, wash calendar, forms."""
        look = taxes.read_look(request.query_params)
        only = None if self.viewer is None else self.viewer.only_year
        view = self._tax_year(request, look.year or only)
        size = _size(request, taxes.ROWS_PER_PAGE)
        page, pages, rows = taxes.form_page(view, look.page, size)
        house = view.household
        return self._page(
            "taxes.html",
            view=view,
            years=view.years if only is None else (only,),
            look=look,
            shown=view.shown(),
            total=taxes.summed(view.shown()),
            days=calendar_days(view.losses, view.purchases),
            values=taxes.value_rows(view),
            parts=[] if house is None else taxes.tax_parts(house),
            dollars=[] if house is None else taxes.next_dollars(house),
            boxes=taxes.form_totals(view),
            rows=rows,
            page=page,
            pages=pages,
            csv=f"{request.url.path}/form-8949-{view.year}.csv",
            day=view.as_of.isoformat(),
            stopped=self._stopped(),
        )

    def form_8949(self, request: Request) -> Response:
        """The year's Form 8949 as CSV."""
        year = int(request.path_params["year"])
        view = self._tax_year(request, year)
        name = f"form-8949-{view.account_id or view.taxpayer.taxpayer_id}-{year}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        text = to_csv(view.rows, Form8949Row)
        return Response(text, media_type="text/csv; charset=utf-8", headers=headers)

    def what_if(self, request: Request) -> Response:
        """What a change would do to the account's next plan; prices of its restrictions."""
        account_id = request.path_params["account_id"]
        asked = what_if.read_asked(request.query_params)
        stands = self.desk.standing(account_id, self.viewer, asked.rates)
        answer = what_if.answer(stands, asked)
        account = stands.account
        return self._page(
            "what_if.html",
            account_id=account_id,
            asked=asked,
            answer=answer,
            verdict="" if answer.told is None else verdict(answer.told),
            cap="" if account.te_cap is None else f"{account.te_cap * 100:g}",
            aversion="" if account.risk_aversion is None else f"{account.risk_aversion:g}",
            figures=what_if.FIGURES,
            names=FIELDS,
            price_head=price_head,
            day=date.fromordinal(stands.ready.ordinal).isoformat(),
            stopped=self._stopped(),
        )

    def asset(self, request: Request) -> Response:
        """Style, script or icon."""
        address = request.path_params["address"]
        for asset in self.assets.values():
            if asset.address == address:
                return kept(request, asset.body, asset.media_type, address)
        raise HTTPException(HTTPStatus.NOT_FOUND)

    # --- reading -------------------------------------------------------------------------------

    def seen(self, account_id: str, right: Right) -> AccountRecord:
        """One account on which the viewer has the right; 404 where not, as where there is none."""
        with self.book.read() as connection:
            try:
                return seen_account(connection, account_id, self.viewer, right)
            except BookError:
                raise HTTPException(HTTPStatus.NOT_FOUND) from None

    def holds(self, account_id: str, right: Right) -> bool:
        """Whether the viewer has a right on an account."""
        with self.book.read() as connection:
            return bool(visible_among(connection, [account_id], self.viewer, right))

    def program_seen(self) -> ProgramView:
        """The viewer's accounts with the newest day."""
        return self._program()

    def _program(self) -> ProgramView:
        """The program, read again only when the book has changed."""
        return self._overview()[0]

    def _overview(self) -> tuple[ProgramView, listing.Overview]:
        with self._lock:
            version = version_of(self.book)
            if self._kept is None or version is None or self._kept[0] != version:
                view = program_view(self.book, self.viewer)
                self._kept = (version, view, listing.Overview(view.rows))
            return self._kept[1:]

    def _stopped(self) -> int:
        return len({e.account_id for e in self._program().exceptions})

    def series(self, account_id: str) -> Any:
        """The account's daily values, None before the first day."""
        return self._account(account_id).series

    def _account(self, account_id: str) -> AccountView:
        return account_view(self.book, self.market, account_id, self.viewer)

    def _tax_year(self, request: Request, year: int | None) -> TaxYear:
        """The year asked for, of the account or taxpayer in the address; else nothing is there."""
        wanted = request.path_params.get("account_id")
        name = wanted or request.path_params["taxpayer_id"]
        try:
            view = self._kept_year(name, year)
        except InputError as error:
            if error.code != "tax.as_of":
                raise
            raise HTTPException(HTTPStatus.NOT_FOUND) from None  # a year that has not begun
        if view.account_id != wanted or view.year not in view.years:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return view

    def _kept_year(self, name: str, year: int | None) -> TaxYear:
        """The few years looked at last, read again only when the book has changed."""
        with self._lock:
            version, kept = version_of(self.book), self._years.pop((name, year), None)
        if kept is None or version is None or kept[0] != version:
            kept = version, tax_year(self.book, name, year, viewer=self.viewer)
        with self._lock:
            self._years[name, year] = kept
            while len(self._years) > YEARS_KEPT:
                self._years.pop(next(iter(self._years)))
        return kept[1]

    def _lines(self, view: AccountView) -> Any:
        return accounts.value_lines(view, self.market.days, self.market.benchmark_index())

    def page(self, template: str, **values: Any) -> Response:
        """A page of another module, with what every page shows."""
        run = self._program().run
        return self._page(template, **values, day=run.day if run else None, stopped=self._stopped())

    def _page(self, template: str, **values: Any) -> Response:
        values.setdefault("day", None)
        if template == "program.html":
            view: ProgramView = values["view"]
            values["day"] = view.run.day if view.run else None
            values["stopped"] = len({e.account_id for e in view.exceptions})
        text = self.env.get_template(template).render(values)
        return OfBook(text) if template in _OF_BOOK else HTMLResponse(text)


def _size(request: Request, size: int) -> int:
    """Rows of a page of a table: all of them where the table is exported."""
    return _ALL if whole(request.scope) else size


def _slice(rows: list[Any], page: int, size: int) -> tuple[int, int, list[Any]]:
    """(page, pages, rows of that page); the last page when there are fewer."""
    pages = max(1, -(-len(rows) // size))
    page = min(page, pages)
    return page, pages, rows[(page - 1) * size : page * size]
