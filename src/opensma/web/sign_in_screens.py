"""Addresses of signing in and of a person's own page."""

from __future__ import annotations

from opensma.book.rights import Right
from opensma.web.me import Me
from opensma.web.policy import PUBLIC, Policy, Screen
from opensma.web.see_as import SeeAs
from opensma.web.sign_in import SignIn

_STEP = Policy(step_up=True)
_SESSION = Policy()
_POST = ("POST",)


def sign_in_screens(door: SignIn, me: Me, see_as: SeeAs) -> list[Screen]:
    """How one gets in is public; the rest is for whoever is in."""
    return [
        Screen("/sign-in", "sign-in", door.show, PUBLIC),
        Screen("/sign-in", "sign-in-answer", door.answer, PUBLIC, _POST),
        Screen("/sign-in/passkey/options", "sign-in-challenge", door.options, PUBLIC, _POST),
        Screen("/sign-in/passkey", "sign-in-passkey", door.passkey, PUBLIC, _POST),
        Screen("/sign-in/provider", "sign-in-provider", door.leave, PUBLIC),
        Screen("/sign-in/provider/back", "sign-in-back", door.back, PUBLIC),
        Screen("/invitation", "invitation", me.invitation, PUBLIC),
        Screen("/invitation", "invitation-answer", me.invited, PUBLIC, _POST),
        Screen(
            "/invitation/passkey/options", "invitation-challenge", me.invited_options, PUBLIC, _POST
        ),
        Screen("/invitation/passkey", "invitation-passkey", me.invited_key, PUBLIC, _POST),
        Screen("/step-up", "step-up", door.step_up, _SESSION),
        Screen("/step-up", "step-up-answer", door.stepped, _SESSION, _POST),
        Screen("/sign-out", "sign-out", door.sign_out, _SESSION, _POST),
        Screen(
            "/accounts/{account_id}/as-owner", "see-as", see_as.begin,
            Policy(Right.SEE_AS, step_up=True), _POST,
        ),
        Screen("/as-owner/end", "see-as-end", see_as.end, _SESSION, _POST),
        Screen("/me", "me", me.show, _SESSION),
        Screen("/me", "me-change", me.change, _STEP, _POST),
        Screen("/me/authenticator", "me-authenticator", me.authenticator, _STEP),
        Screen("/me/authenticator", "me-authenticator-change", me.replace, _STEP, _POST),
        Screen("/me/passkeys/options", "me-challenge", me.key_options, _STEP, _POST),
        Screen("/me/passkeys", "me-passkey", me.add_key, _STEP, _POST),
    ]  # fmt: skip
