"""Who is who: deterministic keys only, united by union-find, undoable as of any time (I1-I6).

A claim says that a key (address, CRM id, CRD ...) belongs to a record. Records that share a key
are one person, unless that would unite two persons the source keeps apart or two CRDs: then the
key stays with the earlier claim, and a conflict keeps both bases.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

# Domains that say nothing about a firm (I5): free mail, and hosts that firms share.
SHARED_DOMAINS = frozenset((
    "gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "msn.com",
    "yahoo.com", "ymail.com", "aol.com", "icloud.com", "me.com", "mac.com", "proton.me",
    "protonmail.com", "pm.me", "gmx.com", "gmx.de", "mail.com", "zoho.com", "yandex.com",
    "yandex.ru", "qq.com", "163.com", "126.com", "comcast.net", "verizon.net", "att.net",
    "sbcglobal.net", "cox.net", "charter.net", "web.de", "t-online.de", "orange.fr", "free.fr",
    "hey.com", "fastmail.com", "wixsite.com", "wordpress.com", "blogspot.com", "weebly.com",
    "squarespace.com", "godaddysites.com", "onmicrosoft.com", "github.io", "netlify.app",
    "herokuapp.com", "advisorwebsite.com",
))  # fmt: skip


class Reason(Enum):
    """Why a claim was refused."""

    TWO_PERSONS = "two_persons"  # I4
    TWO_CRDS = "two_crds"  # I3


@dataclass(frozen=True, slots=True)
class Claim:
    """One alias row: a key said to be a record's, by whom, and since when we know."""

    id_type: str
    id_value: str
    record_id: str
    confidence: str
    basis: str
    recorded_at: str

    @property
    def order(self) -> tuple[str, str, str, str, str]:
        """Earlier claims first; the rest makes the order the same whatever the rows' (I2)."""
        return (self.recorded_at, self.id_type, self.id_value, self.record_id, self.basis)


@dataclass(frozen=True, slots=True)
class Conflict:
    """A claim that was refused, and the earlier one it met (I4)."""

    kept: Claim
    refused: Claim
    reason: Reason


@dataclass(frozen=True, slots=True)
class Identities:
    """Every record's person, each key's owner with basis and confidence (I6), and conflicts."""

    person_of: Mapping[str, str]
    owner_of: Mapping[tuple[str, str], Claim]
    conflicts: tuple[Conflict, ...]


class _Sets:
    """Disjoint sets; each knows its persons and CRDs."""

    def __init__(self) -> None:
        self.parent: dict[str, str] = {}
        self.persons: dict[str, set[str]] = {}
        self.crds: dict[str, set[str]] = {}

    def find(self, name: str) -> str:
        root = name
        while self.parent[root] != root:
            root = self.parent[root]
        while self.parent[name] != root:
            self.parent[name], name = root, self.parent[name]
        return root

    def add(self, name: str, known: bool, crd: str | None) -> None:
        if name not in self.parent:
            self.parent[name] = name
            self.persons[name] = {name} if known else set()
            self.crds[name] = {crd} if crd else set()

    def refusal(self, left: str, right: str) -> Reason | None:
        """Why two sets must stay apart, or None."""
        a, b = self.find(left), self.find(right)
        if a == b:
            return None
        crds = self.crds[a] | self.crds[b]
        if len(crds) > 1:
            return Reason.TWO_CRDS
        same_crd = bool(self.crds[a] & self.crds[b])
        if len(self.persons[a] | self.persons[b]) > 1 and not same_crd:
            return Reason.TWO_PERSONS
        return None

    def unite(self, left: str, right: str) -> None:
        a, b = sorted((self.find(left), self.find(right)))
        if a != b:
            self.parent[b] = a
            self.persons[a] |= self.persons.pop(b)
            self.crds[a] |= self.crds.pop(b)


def resolve(claims: Iterable[Claim], persons: Mapping[str, str | None], as_of: str) -> Identities:
    """Persons behind the records, from claims recorded up to a time (I2, I3, I4).

    `persons` are the ids that the source keeps apart, with their CRD or None. A record that is
    none of them (a lead, a cookie) joins the person whose key it shares.
    """
    known = sorted((c for c in claims if c.recorded_at <= as_of), key=lambda c: c.order)
    sets = _Sets()
    for record, crd in sorted(persons.items()):
        sets.add(record, True, crd)
    by_crd: dict[str, str] = {}
    for record, crd in sorted(persons.items()):
        if crd and by_crd.setdefault(crd, record) != record:
            sets.unite(by_crd[crd], record)  # one CRD is one person, however often it is kept
    owners: dict[tuple[str, str], Claim] = {}
    conflicts = []
    for claim in known:
        crd = claim.id_value if claim.id_type == "crd" else None
        sets.add(claim.record_id, False, None)
        key = (claim.id_type, claim.id_value)
        reason = _crd_refusal(sets, claim.record_id, crd)
        first = owners.get(key)
        if first is not None:
            reason = reason or sets.refusal(first.record_id, claim.record_id)
        if reason is not None:
            conflicts.append(Conflict(first or claim, claim, reason))
            continue
        owners.setdefault(key, claim)
        if crd:
            sets.crds[sets.find(claim.record_id)].add(crd)
        sets.unite(owners[key].record_id, claim.record_id)
    return Identities(_names(sets), owners, tuple(conflicts))


def _crd_refusal(sets: _Sets, record: str, crd: str | None) -> Reason | None:
    """A second CRD for the same person is refused (I3)."""
    there = sets.crds[sets.find(record)]
    return Reason.TWO_CRDS if crd and there and crd not in there else None


def _names(sets: _Sets) -> dict[str, str]:
    """A set is called as its first person, else as its first record."""
    named: dict[str, str] = {}
    for record in sorted(sets.parent):
        root = sets.find(record)
        named.setdefault(root, min(sets.persons[root]) if sets.persons[root] else root)
    return {record: named[sets.find(record)] for record in sets.parent}


def firm_by_domain(domain: str, firms: Mapping[str, str]) -> str | None:
    """The firm of an e-mail domain, unless the domain is shared by many (I5).

    Subdomains belong to the firm of the domain: `mail.harbor.com` is `harbor.com`.
    """
    labels = domain.strip().lower().rstrip(".").split(".")
    tails = [".".join(labels[i:]) for i in range(len(labels) - 1)]
    if any(tail in SHARED_DOMAINS for tail in tails):
        return None
    return next((firms[tail] for tail in tails if tail in firms), None)


def claims_from_rows(rows: Sequence[Mapping[str, object]]) -> list[Claim]:
    """Alias rows of persons as claims."""
    return [
        Claim(str(r["id_type"]), str(r["id_value"]), str(r["person_id"]), str(r["confidence"]),
              str(r["basis"]), str(r["recorded_at"]))
        for r in rows if r["person_id"] is not None
    ]  # fmt: skip
