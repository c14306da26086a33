"""The growth team's page: the CFO pack's figures, tables and charts, from the warehouse.

No name, holding or lot of an account is here: the pack knows firms, channels and sums.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from threading import Lock

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from opensma.errors import InputError
from opensma.growth.pack import Pack, make_pack
from opensma.growth.pack_data import Options
from opensma.growth.pack_pdf import pack_pdf
from opensma.growth.pack_tables import Kind, Table, cell
from opensma.growth.ties import broken
from opensma.growth.warehouse.store import open_warehouse
from opensma.report.documents.render import installed
from opensma.web.events import Events
from opensma.web.portal import Portal
from opensma.web.tables import whole

_WORDS = (Kind.CHANNEL,)
SERVICING_CENTS, MODEL, DISCOUNT = 0, "linear", 0.10  # as `sma growth report` without options


@dataclass
class KeptPack:
    """The pack of a warehouse, made again only when the file has changed."""

    events: Events
    _kept: tuple[tuple[int, int], Pack] | None = None
    _lock: Lock = field(default_factory=Lock)

    def pack(self) -> Pack:
        """InputError where there is no warehouse, or nothing is published in it."""
        path = self.events.warehouse
        with self._lock:
            stamp = (path.stat().st_mtime_ns, path.stat().st_size) if path.is_file() else (0, 0)
            if self._kept is None or self._kept[0] != stamp:
                with self.events.lock:  # the warehouse has one opener
                    connection = open_warehouse(path)
                    try:
                        made = make_pack(connection, Options(SERVICING_CENTS, MODEL, DISCOUNT))
                    finally:
                        connection.close()
                self._kept = stamp, made
            return self._kept[1]


@dataclass
class GrowthPages:
    """The page and its charts, for the portal's viewer."""

    portal: Portal
    kept: KeptPack

    def show(self, request: Request) -> Response:
        """Every section of the pack; why there is none where there is no warehouse."""
        try:
            pack = self._whole()
        except InputError as error:
            return self.portal.page("growth.html", pack=None, error=error)
        return self.portal.page(
            "growth.html", pack=pack.page, error=None, rows=self._rows(whole(request.scope)),
            heads=heads, checks=len(pack.checks), installed=installed(),
        )  # fmt: skip

    def chart(self, request: Request) -> Response:
        """One chart of the pack as SVG."""
        section, number = (int(request.path_params[name]) for name in ("section", "number"))
        try:
            charts = self._whole().page.sections[section].charts
            svg = charts[number][1]
        except (InputError, IndexError):
            raise HTTPException(HTTPStatus.NOT_FOUND) from None
        if 'xmlns="' not in svg:
            svg = svg.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
        return Response(svg, media_type="image/svg+xml")

    def file(self, _request: Request) -> Response:
        """The pack as PDF."""
        try:
            page = self._whole().page
        except InputError:
            raise HTTPException(HTTPStatus.NOT_FOUND) from None
        name = f"growth-{page.as_of}.pdf"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(pack_pdf(page), media_type="application/pdf", headers=headers)

    def _whole(self) -> Pack:
        """The pack; InputError where something in it does not tie, as nothing may rest on it."""
        pack = self.kept.pack()
        if bad := len(broken(pack.checks)):
            raise InputError(
                "growth.no_tie", f"{bad:,} of {len(pack.checks):,} checks have a difference.",
                where="warehouse", remedy="sma growth tie lists them; sma growth publish may help.",
            )  # fmt: skip
        return pack

    def _rows(self, every: bool) -> Callable[[Table], list[list[str]]]:
        def rows(table: Table) -> list[list[str]]:
            shown = table.rows if every else table.on_page
            return [
                [cell(value, column.kind) for value, column in zip(row, table.columns, strict=True)]
                for row in shown
            ]

        return rows


def heads(table: Table) -> list[tuple[str, bool]]:
    """Label and whether it is a figure, of every column; units stand in the label."""
    found = []
    for column in table.columns:
        money = column.kind in (Kind.CENTS, Kind.EXACT)
        figure = column.kind not in _WORDS and column.kind.value != "text"
        found.append((f"{column.heading}, $" if money else column.heading, figure))
    return found
