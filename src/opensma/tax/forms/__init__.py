"""Forms 1099-B, 8949 and Schedule D of a trade list, their exports, reconciliation (F1 to F8).

`docs/forms.md` is the user's page. Pure: rows in, rows and text out; files are read and written
by `opensma.cli`.
"""

from opensma.tax.forms.rows import (
    Difference,
    Form1099BRow,
    Form8949Row,
    differences,
    form_1099b,
    form_8949,
    two_views,
)
from opensma.tax.forms.setup import Kind, Setup

__all__ = [
    "Difference",
    "Form1099BRow",
    "Form8949Row",
    "Kind",
    "Setup",
    "differences",
    "form_1099b",
    "form_8949",
    "two_views",
]
