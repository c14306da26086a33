"""scipy where it is installed: special functions and fits come with the extra `growth`."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from opensma.errors import OpensmaError


def scipy_part(name: str) -> Any:
    """`scipy.special`, `scipy.optimize`; OpensmaError growth.scipy_missing where scipy is not."""
    try:
        return import_module(f"scipy.{name}")
    except ImportError as error:
        raise OpensmaError(
            "growth.scipy_missing", "This needs scipy, which is not installed.",
            where=f"scipy.{name}", remedy='Install it: pip install "opensma[growth]".',
        ) from error  # fmt: skip
