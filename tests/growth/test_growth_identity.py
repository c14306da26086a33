"""Who is who: deterministic keys, the same answer whatever the order of rows, undoable (I1-I6)."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensma.errors import InputError
from opensma.growth.identity import Claim, Reason, firm_by_domain, resolve
from opensma.growth.privacy import email_key, masked

SECRET = b"0123456789abcdef"
END = "2024-12-31 23:59:59"


def claim(kind: str, value: str, record: str, day: int = 1, basis: str = "crm") -> Claim:
    return Claim(kind, value, record, "imported", basis, f"2024-01-{day:02d} 00:00:00")


def test_a_lead_joins_the_person_whose_key_it_shares() -> None:
    found = resolve(
        [claim("email_hmac", "k1", "p1"), claim("email_hmac", "k1", "lead-7", 2),
         claim("cookie", "c9", "lead-7", 3)],
        {"p1": "100"}, END,
    )  # fmt: skip
    assert found.person_of["lead-7"] == "p1"
    assert found.owner_of["cookie", "c9"].basis == "crm"
    assert not found.conflicts


def test_an_alias_of_two_persons_stays_with_the_earlier_claim_and_opens_a_conflict() -> None:
    """I4: both bases are kept, nothing is moved."""
    claims = [
        claim("rep_code", "R1", "p2", 9, "custodian feed"),
        claim("rep_code", "R1", "p1", 2, "agreement"),
    ]
    found = resolve(claims, {"p1": None, "p2": None}, END)
    assert found.person_of == {"p1": "p1", "p2": "p2"}
    assert found.owner_of["rep_code", "R1"].record_id == "p1"
    (conflict,) = found.conflicts
    assert (conflict.kept.basis, conflict.refused.basis) == ("agreement", "custodian feed")
    assert conflict.reason is Reason.TWO_PERSONS


def test_two_crds_never_merge() -> None:
    """I3: not by a shared address, and not by a second CRD for one record."""
    claims = [claim("email_hmac", "k", "p1"), claim("email_hmac", "k", "p2", 2)]
    found = resolve(claims, {"p1": "100", "p2": "200"}, END)
    assert found.person_of == {"p1": "p1", "p2": "p2"}
    assert found.conflicts[0].reason is Reason.TWO_CRDS
    found = resolve([claim("crd", "300", "p1")], {"p1": "100"}, END)
    assert found.conflicts[0].reason is Reason.TWO_CRDS


def test_one_crd_is_one_person_however_often_it_is_kept() -> None:
    assert resolve([], {"sf-1": "100", "hs-9": "100"}, END).person_of["sf-1"] == "hs-9"


def test_a_link_is_undone_as_of_the_day_before_it_was_known() -> None:
    """I6."""
    claims = [claim("email_hmac", "k", "p1"), claim("email_hmac", "k", "lead", 20)]
    assert resolve(claims, {"p1": None}, END).person_of["lead"] == "p1"
    assert "lead" not in resolve(claims, {"p1": None}, "2024-01-19 23:59:59").person_of


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["email_hmac", "cookie", "crd", "crm"]),
            st.sampled_from("abcd"),
            st.sampled_from(["p1", "p2", "p3", "l1", "l2", "l3"]),
            st.integers(1, 5),
        ),
        max_size=14,
    ),
    st.randoms(use_true_random=False),
)
def test_the_order_of_rows_changes_nothing_and_persons_stay_apart(
    rows: list[tuple[str, str, str, int]], random: Random
) -> None:
    """I2, I3."""
    persons = {"p1": "a", "p2": "b", "p3": None}
    claims = [claim(*row) for row in rows]
    found = resolve(claims, persons, END)
    random.shuffle(claims)
    assert resolve(claims, persons, END) == found
    assert len({found.person_of[p] for p in persons}) == 3


@pytest.mark.parametrize(
    ("domain", "firm"),
    [
        ("harbor.com", "f1"),
        ("Mail.Harbor.com.", "f1"),
        ("gmail.com", None),
        ("team.wixsite.com", None),
        ("notharbor.com", None),
    ],
)
def test_a_firm_is_known_by_a_domain_of_its_own(domain: str, firm: str | None) -> None:
    """I5."""
    assert firm_by_domain(domain, {"harbor.com": "f1", "gmail.com": "f2"}) == firm


def test_an_address_is_a_key_only_whoever_holds_the_secret_can_make_again() -> None:
    """P1, I1."""
    assert email_key(" Jane@Harbor.com", SECRET) == email_key("jane@harbor.com", SECRET)
    assert email_key("jane@harbor.com", SECRET) != email_key("jane@harbor.com", SECRET + b"!")
    with pytest.raises(InputError, match="16 are needed"):
        email_key("jane@harbor.com", b"short")


def test_free_text_loses_addresses_and_numbers_and_nothing_else() -> None:
    assert masked("call +1 212-555-0199 or j@x.org") == "call [phone] or [email]"
    assert masked("code 3119, 2024-12-31, 1,470 firms") == "code 3119, 2024-12-31, 1,470 firms"
