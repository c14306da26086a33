"""Forms 1099-B, 8949 and Schedule D of a trade list, their exports, reconciliation (F1 to F8).

`docs/forms.md` is the user's page. Pure: rows in, rows and text out; files are read and written
by `opensma.cli`.
"""

from opensma.tax.forms.custodian import CustodianRow, read_custodian
from opensma.tax.forms.export_csv import from_csv, to_csv
from opensma.tax.forms.export_txf import TxfRecord, from_txf, to_txf
from opensma.tax.forms.matching import Fees, Item, Reason, Status, corrections, reconcile
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
from opensma.tax.forms.summary import (
    Finality,
    ScheduleD,
    Total,
    box_totals,
    finality,
    off_the_form,
    schedule_d,
    whole_dollars,
)

__all__ = [
    "CustodianRow",
    "Difference",
    "Fees",
    "Finality",
    "Form1099BRow",
    "Form8949Row",
    "Item",
    "Kind",
    "Reason",
    "ScheduleD",
    "Setup",
    "Status",
    "Total",
    "TxfRecord",
    "box_totals",
    "corrections",
    "differences",
    "finality",
    "form_1099b",
    "form_8949",
    "from_csv",
    "from_txf",
    "off_the_form",
    "read_custodian",
    "reconcile",
    "schedule_d",
    "to_csv",
    "to_txf",
    "two_views",
    "whole_dollars",
]
