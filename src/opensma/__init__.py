"""opensma: separately managed accounts, decided, booked, explained and measured.

Start reading in `opensma.day`: one trading day, every stage in order. Importing this package
loads nothing heavy; each room imports what it needs when it is used.
"""

TYPE_CHECKING = False  # what type checkers take for true; importing `typing` costs time
if TYPE_CHECKING:
    from typing import Any

__version__ = "0.1.0"

# By name and on demand: `import opensma` stays fast, and no room below reaches up through here.
_FACE = {
    "rebalance": "opensma.rebalancing.face",
    "FactorModel": "opensma.rebalancing.risk",
    "factor_model": "opensma.rebalancing.risk",
    "read_barra": "opensma.rebalancing.vendors",
    "read_axioma": "opensma.rebalancing.vendors",
}
__all__ = ["__version__", *_FACE]  # noqa: PLE0604, RUF100


def __getattr__(name: str) -> "Any":
    """The face for notebooks, loaded when it is first asked for."""
    if name in _FACE:
        from importlib import import_module

        return getattr(import_module(_FACE[name]), name)
    raise AttributeError(f"module 'opensma' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *_FACE})
