"""People who look at a book, for tests of what they see."""

from opensma.book.master import Grant
from opensma.book.rights import Role, Scope, Viewer


def viewer(role: Role, scope: Scope, key: str, year: int | None = None) -> Viewer:
    """Someone with one grant, open from long ago."""
    grant = Grant("g", "u", role, scope, key, year, "1970-01-01", None, "test")
    return Viewer("u", role.value.capitalize(), (grant,))


def owner(owner_id: str) -> Viewer:
    """An owner of accounts."""
    return viewer(Role.OWNER, Scope.OWNER, owner_id)
