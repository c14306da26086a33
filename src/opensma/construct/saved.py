"""A problem as one self-contained block of bytes, so that trouble can be looked at again elsewhere.

A zip file of numpy arrays (`.npy`, no pickle) and `problem.json`: what numpy calls an `.npz`. The
same problem gives the same bytes. Fields are taken from the dataclasses themselves, so a field
that `Account` gains later is kept too; where an older file lacks it, its default holds.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from typing import Any, TypeVar
from urllib.parse import quote

import numpy as np

from opensma.construct.plan import Plan, Status, Trades
from opensma.construct.prepare import Prepared
from opensma.construct.problem import Account, Limits, LotColumns, Taxpayer, Universe
from opensma.construct.solve import solve_taxpayer
from opensma.errors import InputError, OpensmaError, PlanError

FORMAT = 1
SUFFIX = ".problem.npz"
# What a decision may raise besides our own errors: the numbers of one taxpayer stop that one only.
TROUBLE = (OpensmaError, ArithmeticError, LookupError, ValueError)

_DOCUMENT = "problem.json"
_LONGEST_NAME = 150
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first day of a zip file: no clock in the bytes
_DAMAGE = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError)
_NOT_FINITE = "not_finite"  # JSON knows neither infinity nor NaN

Solve = Callable[[Prepared, Taxpayer, int], list[Plan]]
Thing = TypeVar("Thing", Universe, LotColumns, Limits)


@dataclass(frozen=True, slots=True)
class SavedProblem:
    """Everything that `solve_taxpayer` was given, with what went wrong."""

    universe: Universe
    taxpayer: Taxpayer
    as_of_day: int
    version: str  # of opensma, when it was saved
    trouble: tuple[str, ...]  # one sentence per account, or the exception


@dataclass(frozen=True, slots=True)
class Decided:
    """Plans of a taxpayer, one per account, and the trouble that is worth saving."""

    plans: list[Plan]
    trouble: tuple[str, ...]
    error: OpensmaError | None  # raised inside the decision: no account was decided


# --- deciding, with trouble as a value ---------------------------------------------------------


def decide(
    prepared: Prepared, taxpayer: Taxpayer, as_of_day: int, solve: Solve = solve_taxpayer
) -> Decided:
    """The taxpayer's plans; an exception inside becomes plans that say `failed`, and why."""
    try:
        plans = solve(prepared, taxpayer, as_of_day)
    except TROUBLE as error:
        ours = error if isinstance(error, OpensmaError) else _as_ours(error, taxpayer)
        told = f"{type(error).__name__}: {error}"
        return Decided([_failed(account, told) for account in taxpayer.accounts], (told,), ours)
    failed = [plan for plan in plans if plan.status is Status.FAILED]
    trouble = tuple(f"{plan.account_id}: {plan.message}" for plan in failed)
    return Decided(plans, trouble, None)


def _as_ours(error: Exception, taxpayer: Taxpayer) -> PlanError:
    made = PlanError(
        "plan.error",
        f"The decision stopped with {type(error).__name__}: {error}.",
        where=taxpayer.taxpayer_id,
        remedy="The accounts keep their holdings. Please report the saved problem.",
    )
    made.__cause__ = error
    return made


def _failed(account: Account, message: str) -> Plan:
    """No figures: what was not computed is not a number."""
    codes, floats, nan = np.zeros(0, dtype=np.int64), np.zeros(0), float("nan")
    nothing = Trades(codes, codes, floats, floats, floats, floats, floats, floats, ())
    return Plan(
        account.account_id, Status.FAILED, message, nothing, (), nan, nan, nan, nan, nan,
        0.0, 0.0, 0.0, account.cash, nan, (), 0.0,
    )  # fmt: skip


# --- to bytes ----------------------------------------------------------------------------------


def file_name(taxpayer_id: str) -> str:
    """A file name for any id, different for different ids."""
    name = quote(taxpayer_id, safe="")
    if name.startswith("."):
        name = "%2E" + name[1:]
    if len(name) > _LONGEST_NAME:
        digest = hashlib.sha256(taxpayer_id.encode()).hexdigest()[:16]
        name = f"{name[:_LONGEST_NAME]}-{digest}"
    return name + SUFFIX


def pack(problem: SavedProblem) -> bytes:
    """The problem as the content of a file."""
    arrays: dict[str, np.ndarray] = {}
    document = {
        "format": FORMAT,
        "version": problem.version,
        "as_of_day": problem.as_of_day,
        "trouble": list(problem.trouble),
        "taxpayer_id": problem.taxpayer.taxpayer_id,
        "universe": _take(problem.universe, "universe", arrays),
        "accounts": [
            _take(account, f"account{number}", arrays)
            for number, account in enumerate(problem.taxpayer.accounts)
        ],
    }
    arrays["loss_groups"] = problem.taxpayer.loss_groups
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        text = json.dumps(document, indent=1, allow_nan=False)
        _add(archive, _DOCUMENT, text.encode())
        for name, array in arrays.items():
            part = io.BytesIO()
            np.lib.format.write_array(part, np.asanyarray(array), allow_pickle=False)
            _add(archive, f"{name}.npy", part.getvalue())
    return out.getvalue()


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, _EPOCH), content, zipfile.ZIP_DEFLATED)


def _take(thing: Any, name: str, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Plain values of a dataclass by field; its arrays go to `arrays` under `name.field`."""
    plain: dict[str, Any] = {}
    for field in fields(thing):
        value = getattr(thing, field.name)
        if isinstance(value, np.ndarray):
            arrays[f"{name}.{field.name}"] = value
        elif isinstance(value, LotColumns | Limits):
            plain[field.name] = _take(value, f"{name}.{field.name}", arrays)
        else:
            plain[field.name] = _json_value(value)
    return plain


def _json_value(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return {_NOT_FINITE: repr(value)}
    return list(value) if isinstance(value, tuple) else value


# --- from bytes --------------------------------------------------------------------------------


def unpack(content: bytes, where: str) -> SavedProblem:
    """The problem again, bit for bit; InputError where the content is something else."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            document = json.loads(archive.read(_DOCUMENT))
            arrays = {
                name.removesuffix(".npy"): np.lib.format.read_array(
                    io.BytesIO(archive.read(name)), allow_pickle=False
                )
                for name in archive.namelist()
                if name.endswith(".npy")
            }
        _check_format(document, where)
        return _rebuilt(document, arrays)
    except (*_DAMAGE, LookupError, ValueError, TypeError, EOFError) as error:
        raise InputError(
            "construct.saved_problem",
            f"This is no saved problem, or a damaged one ({type(error).__name__}: {error}).",
            where=where,
            remedy=f"Give a file that ends with {SUFFIX}, as `sma construct solve` writes them.",
        ) from error


def _check_format(document: dict[str, Any], where: str) -> None:
    if document["format"] != FORMAT:
        raise InputError(
            "construct.saved_format",
            f"The file has format {document['format']}; this version reads {FORMAT}.",
            where=where,
            remedy=f"Replay it with opensma {document['version']}.",
        )


def _rebuilt(document: dict[str, Any], arrays: dict[str, np.ndarray]) -> SavedProblem:
    universe = Universe(**_given(Universe, document["universe"], "universe", arrays))
    accounts = []
    for number, plain in enumerate(document["accounts"]):
        name = f"account{number}"
        given = _given(Account, plain, name, arrays)
        given["lots"] = _part(LotColumns, plain["lots"], f"{name}.lots", arrays)
        given["limits"] = _part(Limits, plain["limits"], f"{name}.limits", arrays)
        accounts.append(Account(**given))
    taxpayer = Taxpayer(document["taxpayer_id"], tuple(accounts), arrays["loss_groups"])
    return SavedProblem(
        universe, taxpayer, document["as_of_day"], document["version"], tuple(document["trouble"])
    )


def _part(
    kind: type[Thing], plain: dict[str, Any], name: str, arrays: dict[str, np.ndarray]
) -> Thing:
    return kind(**_given(kind, plain, name, arrays))


def _given(
    kind: type, plain: dict[str, Any], name: str, arrays: dict[str, np.ndarray]
) -> dict[str, Any]:
    """Values for the constructor; a field that the file lacks keeps its default."""
    given: dict[str, Any] = {}
    for field in fields(kind):
        if f"{name}.{field.name}" in arrays:
            given[field.name] = arrays[f"{name}.{field.name}"]
        elif field.name in plain:
            given[field.name] = _python_value(plain[field.name])
        elif field.default is MISSING and field.default_factory is MISSING:
            raise LookupError(f"{name} has no {field.name}")
    unknown = set(plain) - {field.name for field in fields(kind)}
    if unknown:  # a newer version had a limit that this one would silently drop
        raise LookupError(f"{name} has unknown fields {sorted(unknown)}")
    return given


def _python_value(value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {_NOT_FINITE}:
        return float(value[_NOT_FINITE])
    return tuple(value) if isinstance(value, list) else value
