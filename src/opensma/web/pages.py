"""The pages of one viewer, and the parts that all viewers share."""

from __future__ import annotations

from dataclasses import dataclass

from jinja2 import Environment

from opensma.access.store import Access
from opensma.book.rights import Viewer
from opensma.book.store import Book
from opensma.market import Market
from opensma.web.access_page import AccessPage
from opensma.web.advisor import AdvisorPages
from opensma.web.assets import Asset
from opensma.web.batch import Batch
from opensma.web.billing_run import BillingRun
from opensma.web.contacts import ContactPages
from opensma.web.desk import DeskPages
from opensma.web.documents import Papers
from opensma.web.fees import Fees
from opensma.web.giving import Giving
from opensma.web.growth import GrowthPages, KeptPack
from opensma.web.home import Home
from opensma.web.model_change import ModelChange
from opensma.web.personalise import Personalise
from opensma.web.portal import Portal
from opensma.web.proposals import Proposals
from opensma.web.restrictions import Restrictions
from opensma.web.what_if import Desk


@dataclass(frozen=True)
class Shared:
    """What every viewer's pages are made with."""

    book: Book
    market: Market
    access: Access
    env: Environment
    assets: dict[str, Asset]
    desk: Desk  # the newest day, prepared once
    growth: KeptPack


class Pages:
    """Every page, for one viewer (None: the operator, who sees the whole book)."""

    def __init__(self, shared: Shared, viewer: Viewer | None) -> None:
        self.shared = shared
        self.viewer = viewer
        book = shared.book.seen_by(viewer)
        self.portal = Portal(book, shared.market, viewer, shared.env, shared.assets, shared.desk)
        self.papers = Papers(self.portal, shared.book, shared.access)
        self.batch = Batch(self.portal)
        self.fees = Fees(self.portal, self.papers)
        self.desk = DeskPages(self.portal, shared.access, shared.book)
        self.advisor = AdvisorPages(self.portal, shared.access)
        self.contacts = ContactPages(self.portal, shared.access)
        self.restrictions = Restrictions(self.portal, shared.access, shared.book)
        self.giving = Giving(self.portal)
        self.bills = BillingRun(self.portal, self.papers, shared.access, shared.book)
        self.proposals = Proposals(self.portal)
        self.model = ModelChange(self.portal, shared.book)
        self.growth = GrowthPages(self.portal, shared.growth)
        self.home = Home(self.portal, shared.access)
        self.access = AccessPage(self.portal, shared.access, shared.book)
        self.personalise = Personalise(self.portal, shared.access, shared.book)
