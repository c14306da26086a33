"""Every choice that changes a figure, by name; and who made it, from when (measure page, 1).

A firm, a composite or a report states its choices once. Fields with a default of the product may be
left alone; those without one must be set before anything that needs them is computed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from typing import TypeVar

from opensma.measure.refusals import refuse

Choice = TypeVar("Choice")


class FlowTiming(Enum):
    """When a day's flows are counted."""

    INFLOW_START_OUTFLOW_END = "inflow_start_outflow_end"
    START_OF_DAY = "start_of_day"
    END_OF_DAY = "end_of_day"
    MID_DAY = "mid_day"


class FlowWeight(Enum):
    """How long a flow of Modified Dietz was there: (T-d)/T or (T-d+1)/T."""

    END_OF_DAY = "end_of_day"
    START_OF_DAY = "start_of_day"


class DayCount(Enum):
    """How days become years."""

    ACT_365F = "act/365F"
    ACT_360 = "act/360"
    ACT_ACT_ISDA = "act/act ISDA"
    THIRTY_E_360 = "30E/360"
    THIRTY_360_ISDA = "30/360 ISDA"
    THIRTY_360_SIA = "30/360 SIA"


class ReturnBasis(Enum):
    """What was deducted; pure gross is supplemental only (M21)."""

    GROSS = "gross"
    NET_ACTUAL = "net_actual"
    NET_MODEL = "net_model"
    PURE_GROSS = "pure_gross"


class ModelFeeMethod(Enum):
    """How a model fee is taken from a gross return (M23)."""

    ARITHMETIC = "arithmetic"
    GEOMETRIC = "geometric"
    GEOMETRIC_ROOT = "geometric_root"


class CompositeMethod(Enum):
    """How member returns become one (M29)."""

    BEGINNING = "beginning"
    BEGINNING_PLUS_FLOWS = "beginning_plus_flows"
    AGGREGATE = "aggregate"


class Dispersion(Enum):
    """Which measure of internal dispersion a report shows (M32)."""

    HIGH_LOW = "high_low"
    RANGE = "range"
    IQR = "iqr"
    EQUAL_STD = "equal_std"
    ASSET_STD = "asset_std"


class RootPolicy(Enum):
    """What happens when cash flows have more than one internal rate of return (M17)."""

    REFUSE = "refuse"
    NEAREST_TO_GUESS = "nearest_to"


class AfterTaxRates(Enum):
    """Whose tax rates: the highest in force, or those the client expects (M47)."""

    MAXIMUM = "maximum"
    ANTICIPATED = "anticipated"


class LossTreatment(Enum):
    """Whether a loss is worth its rate at once, or only when it can be used (M42, M59)."""

    FULL_BENEFIT = "full_benefit"
    CARRYFORWARD_LEDGER = "carryforward_ledger"


class TaxPayment(Enum):
    """Where taxes are paid from."""

    OUTSIDE_ACCOUNT = "outside_account"
    FROM_ACCOUNT = "from_account"


class EmbeddedGainBase(Enum):
    """What an embedded gain is a share of, post-liquidation (M44)."""

    ENDING_VALUE = "ending_value"
    INITIAL_UNIT = "initial_unit"


class FeeTiming(Enum):
    """When a booked management fee lowers the net return."""

    DEBIT_DATE = "debit_date"
    ACCRUED_DAILY = "accrued_daily"


class LotRelief(Enum):
    """Which lots the shadow benchmark sells for a withdrawal."""

    FIFO = "fifo"
    HIFO = "hifo"
    PRO_RATA = "pro_rata"


class ShadowStart(Enum):
    """Whether the shadow starts with a fresh basis or with the account's own (M54)."""

    MARKET = "market"
    ACCOUNT = "account"


class BrinsonModel(Enum):
    """Allocation against the benchmark's return, or not (M62)."""

    BRINSON_FACHLER = "brinson_fachler"
    BHB = "bhb"


class Linker(Enum):
    """How effects of periods add up to the compounded difference (M63, M64)."""

    CARINO = "carino"
    FRONGELLO = "frongello"
    MENCHERO = "menchero"


class Interaction(Enum):
    """Three effects, or two with interaction inside selection (M62)."""

    SEPARATE = "separate"
    IN_SELECTION = "in_selection"


@dataclass(frozen=True, slots=True)
class LargeFlow:
    """From which flow on a period is valued and broken: an amount, or a share (M10)."""

    amount: float | None = None
    share: float | None = None

    def __post_init__(self) -> None:
        given = [x for x in (self.amount, self.share) if x is not None]
        if len(given) != 1 or given[0] <= 0:
            refuse(
                "large_flow_policy",
                "A large flow is a positive amount or a positive share, exactly one of them.",
                where="large_flow",
                remedy="Set amount or share.",
            )


@dataclass(frozen=True, slots=True)
class Materiality:
    """From where on a wrong figure is material: basis points of a return, an amount (M37)."""

    return_bp: float
    value: float


@dataclass(frozen=True, slots=True)
class Conventions:
    """One level's choices (firm, composite, report). `None` means not set and has no default."""

    large_flow: LargeFlow | None = None
    significant_flow: float | None = None
    materiality: Materiality | None = None
    flow_timing: FlowTiming = FlowTiming.INFLOW_START_OUTFLOW_END
    dietz_weight: FlowWeight = FlowWeight.END_OF_DAY
    irr_day_count: DayCount = DayCount.ACT_365F
    irr_root_policy: RootPolicy = RootPolicy.REFUSE
    return_basis: tuple[ReturnBasis, ...] = (ReturnBasis.GROSS, ReturnBasis.NET_ACTUAL)
    model_fee_method: ModelFeeMethod = ModelFeeMethod.GEOMETRIC
    fee_timing: FeeTiming = FeeTiming.DEBIT_DATE
    composite_method: CompositeMethod = CompositeMethod.AGGREGATE
    inclusion_cutoff_day: int = 15
    dispersion: Dispersion = Dispersion.EQUAL_STD
    dispersion_ddof: int = 1
    risk_ddof: int = 1
    risk_basis: ReturnBasis = ReturnBasis.GROSS
    after_tax_rates: AfterTaxRates = AfterTaxRates.ANTICIPATED
    loss_treatment: tuple[LossTreatment, ...] = (
        LossTreatment.FULL_BENEFIT,
        LossTreatment.CARRYFORWARD_LEDGER,
    )
    tax_payment: TaxPayment = TaxPayment.OUTSIDE_ACCOUNT
    embedded_gain_base: EmbeddedGainBase = EmbeddedGainBase.ENDING_VALUE
    shadow_relief: LotRelief = LotRelief.FIFO
    linker: Linker = Linker.CARINO
    brinson_model: BrinsonModel = BrinsonModel.BRINSON_FACHLER
    interaction: Interaction = Interaction.SEPARATE

    def required_large_flow(self) -> LargeFlow:
        """The large-flow policy; an error while nobody has set one (M10)."""
        return _set(self.large_flow, "large_flow", "before the period it is used for begins")

    def required_materiality(self) -> Materiality:
        """The materiality of errors; an error while the firm has not set it (M37)."""
        return _set(self.materiality, "materiality", "for the firm")


def _set(value: Choice | None, name: str, when: str) -> Choice:
    if value is None:
        refuse(
            "convention_not_set",
            f"The convention '{name}' is not set, and there is no default for it.",
            where=name,
            remedy=f"Set it {when}.",
        )
    return value


@dataclass(frozen=True, slots=True)
class DatedConventions:
    """Choices that hold from a day on; recorded before they held, so never backwards (M26)."""

    effective: date
    recorded: date
    by: str
    conventions: Conventions = field(default_factory=Conventions)

    def __post_init__(self) -> None:
        if self.effective < self.recorded:
            refuse(
                "convention_retroactive",
                f"Conventions recorded on {self.recorded} cannot hold from {self.effective}.",
                where="effective",
                remedy="Let them hold from the day they are recorded, or later.",
            )


def in_force(rows: Iterable[DatedConventions], day: date) -> Conventions:
    """What held on a day; a day without a row is an error and never the default."""
    known = [row for row in rows if row.effective <= day]
    if not known:
        refuse(
            "convention_missing",
            f"No conventions are recorded for {day}.",
            where=day.isoformat(),
            remedy="Record the firm's conventions before measuring.",
        )
    return max(known, key=lambda row: (row.effective, row.recorded)).conventions
