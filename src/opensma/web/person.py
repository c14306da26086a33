"""Who is asking: a person signed in, the operator at the machine, or nobody."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from opensma.access.sessions import Session
from opensma.book.rights import Right, Viewer

OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Person:
    """The one of this request. The operator has no viewer and sees the whole book."""

    viewer: Viewer | None = None
    operator: bool = False
    session: Session | None = None
    csrf: str = ""  # what every form of this person carries
    actor: Viewer | None = None  # who really sits there, seeing as `viewer` does

    @property
    def known(self) -> bool:
        """Whether anybody is there."""
        return self.operator or self.viewer is not None

    @property
    def user_id(self) -> str:
        """As the audit log names them; empty for nobody."""
        if self.operator:
            return OPERATOR
        one = self.actor or self.viewer
        return "" if one is None else one.user_id

    @property
    def as_whom(self) -> str:
        """For the audit log: as whom the person sees, where not as themselves."""
        return f"as {self.viewer.user_id}" if self.actor and self.viewer else ""

    @property
    def label(self) -> str:
        """As the foot of a page names them."""
        if self.operator:
            return "the operator of this machine, who sees the whole book"
        if self.actor is not None and self.viewer is not None:
            return f"{self.viewer.name} sees it, by {self.actor.name}"
        return "" if self.viewer is None else ", ".join((self.viewer.name, *self.viewer.roles))

    def may(self, right: str) -> bool:
        """Whether any of their grants gives a right: what menus go by, never what data goes by."""
        return self.operator or (self.viewer is not None and self.viewer.has(Right(right)))


NOBODY = Person()
CURRENT: ContextVar[Person] = ContextVar("person", default=NOBODY)
