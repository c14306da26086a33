"""What a person sets up for signing in: by invitation at first, later on a page of their own."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from opensma.access import local, passkeys, sessions, tickets
from opensma.access.audit import Action, Line, append
from opensma.errors import InputError
from opensma.web.gate import Gate
from opensma.web.person import CURRENT
from opensma.web.sign_in import json_of, site_of

_INVITED = "invited"  # a challenge of who was invited
CODES = 8  # recovery codes
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that looks like something else


@dataclass
class Me:
    """Invitations, and a person's own sessions, keys and codes."""

    gate: Gate

    # --- invitation ------------------------------------------------------------------------------

    def invitation(self, _pages: Any, _request: Request) -> Response:
        """Where the word of an invitation is typed, or put by the link's fragment."""
        return self._invited("", "", "")

    async def invited(self, _pages: Any, request: Request) -> Response:
        """First the word alone, then with a password and the authenticator's code."""
        form = await request.form()
        word, secret = str(form.get("word", "")).strip(), str(form.get("secret", ""))
        if not secret:
            return await run_in_threadpool(self._welcome, word)
        password, code = str(form.get("password", "")), str(form.get("code", ""))
        return await run_in_threadpool(self._set_up, request, word, secret, password, code)

    def _welcome(self, word: str) -> Response:
        from pyotp import random_base32

        with self.gate.access.read() as connection:
            ticket = tickets.look(connection, word, tickets.INVITATION, self.gate.now())
        if ticket is None:
            return self._invited("", "", "This invitation is not known, was used, or is too old.")
        return self._invited(word, random_base32(), "", ticket.user_id)

    def _set_up(
        self, request: Request, word: str, secret: str, password: str, code: str
    ) -> Response:
        now = self.gate.now()
        with self.gate.access.read() as connection:
            ticket = tickets.look(connection, word, tickets.INVITATION, now)
        if ticket is None:
            return self._invited("", "", "This invitation is not known, was used, or is too old.")
        user = ticket.user_id
        try:
            local.check_password(password, (user,))
        except InputError as error:
            return self._invited(word, secret, f"{error.message} {error.remedy}", user)
        if not _base32(secret) or not local.right_code(secret, code, now):
            return self._invited(word, secret, "The code does not fit. Wait for the next.", user)
        codes = recovery_codes()
        with self.gate.access.lock, self.gate.access.write() as connection:
            if tickets.redeem(connection, word, tickets.INVITATION, now) is None:
                return self._invited("", "", "This invitation was used.")
            local.set_password(connection, user, password, now)
            local.set_authenticator(connection, user, secret, now)
            local.set_recovery_codes(connection, user, codes)
            passkeys.remove_all(connection, user)  # whoever is invited again may have lost a device
            sessions.end_all(connection, user, now)
            append(self.gate.access, connection, Line(now, user, Action.CHANGE, "invitation"))
        answer = self._codes(codes, first=True)
        self.gate.begin(request, answer, user, "password")
        return answer

    async def invited_options(self, _pages: Any, request: Request) -> Response:
        """A challenge for the passkey of who was invited, instead of a password."""
        document = await json_of(request)
        return await run_in_threadpool(
            self._invited_options, request, str(document.get("word", ""))
        )

    def _invited_options(self, request: Request, word: str) -> Response:
        now, challenge = self.gate.now(), secrets.token_urlsafe(32)
        with self.gate.access.write() as connection:
            ticket = tickets.look(connection, word, tickets.INVITATION, now)
            if ticket is None:
                return JSONResponse({"error": "This invitation is not known or too old."}, 422)
            asked = tickets.Ticket(tickets.CHALLENGE, ticket.user_id, _INVITED)
            tickets.issue(connection, challenge, asked, now)
        user = ticket.user_id
        options = passkeys.registration(site_of(request), user, user, challenge)
        return JSONResponse({"options": json.loads(options), "challenge": challenge})

    async def invited_key(self, _pages: Any, request: Request) -> Response:
        """Take the passkey and the invitation, and sign in."""
        document = await json_of(request)
        return await run_in_threadpool(self._invited_key, request, document)

    def _invited_key(self, request: Request, document: dict[str, Any]) -> Response:
        now, word = self.gate.now(), str(document.get("word", ""))
        challenge, answer = str(document.get("challenge", "")), json.dumps(document.get("answer"))
        with self.gate.access.lock, self.gate.access.write() as connection:
            asked = tickets.redeem(connection, challenge, tickets.CHALLENGE, now)
            ticket = tickets.look(connection, word, tickets.INVITATION, now)
            known = asked is not None and ticket is not None and asked.data == _INVITED
            user = ticket.user_id if ticket is not None else ""
            old = [key.credential_id for key in passkeys.keys_of(connection, user)]
            added = known and asked is not None and asked.user_id == user and passkeys.add(
                connection, site_of(request), user, challenge, answer, now
            )  # fmt: skip
            if added:
                tickets.redeem(connection, word, tickets.INVITATION, now)
                local.forget(connection, user)  # whoever is invited again starts anew
                for key in old:
                    passkeys.remove(connection, user, key)
                sessions.end_all(connection, user, now)
                line = Line(now, user, Action.CHANGE, "invitation", "", "passkey")
                append(self.gate.access, connection, line)
        if not added:
            return JSONResponse({"error": "This passkey could not be added."}, 422)
        done = JSONResponse({"next": "/"})
        self.gate.begin(request, done, user, "passkey")
        return done

    def _invited(self, word: str, secret: str, error: str, user: str = "") -> HTMLResponse:
        text = self.gate.env.get_template("invitation.html").render(
            word=word, secret=secret, error=error, user=user, day=None, stopped=0,
            picture=_picture(secret, user) if secret else "",
        )  # fmt: skip
        return HTMLResponse(text, status_code=422 if error else 200)

    def _codes(self, codes: list[str], first: bool) -> HTMLResponse:
        text = self.gate.env.get_template("recovery_codes.html").render(
            codes=codes, first=first, day=None, stopped=0
        )
        return HTMLResponse(text)

    # --- one's own page --------------------------------------------------------------------------

    def show(self, _pages: Any, _request: Request) -> Response:
        """Ways to sign in, keys, sessions."""
        return self._mine("")

    def _mine(self, error: str) -> Response:
        person = CURRENT.get()
        with self.gate.access.read() as connection:
            ways = local.ways_of(connection, person.user_id)
            keys = passkeys.keys_of(connection, person.user_id)
            mine = sessions.standing(connection, self.gate.now(), person.user_id)
        text = self.gate.env.get_template("me.html").render(
            ways=ways, keys=keys, sessions=mine, day=None, stopped=0,
            own="" if person.session is None else person.session.session_id, error=error,
        )  # fmt: skip
        return HTMLResponse(text, status_code=422 if error else 200)

    def authenticator(self, _pages: Any, _request: Request) -> Response:
        """A new secret for another authenticator app; the old one counts until this is proved."""
        from pyotp import random_base32

        return self._replacing(random_base32(), "")

    async def replace(self, _pages: Any, request: Request) -> Response:
        """Take the new secret once a code of it is right."""
        form = await request.form()
        secret, code = str(form.get("secret", "")), str(form.get("code", ""))
        return await run_in_threadpool(self._replace, secret, code)

    def _replace(self, secret: str, code: str) -> Response:
        user, now = CURRENT.get().user_id, self.gate.now()
        if not _base32(secret):
            raise HTTPException(400)
        if not local.right_code(secret, code, now):
            return self._replacing(secret, "The code does not fit. Wait for the next.")
        with self.gate.access.lock, self.gate.access.write() as connection:
            local.set_authenticator(connection, user, secret, now)
            self._over_elsewhere(connection, now)
            append(self.gate.access, connection, Line(now, user, Action.CHANGE, "authenticator"))
        return RedirectResponse("/me", status_code=303)

    def _replacing(self, secret: str, error: str) -> Response:
        text = self.gate.env.get_template("authenticator.html").render(
            secret=secret, error=error, picture=_picture(secret, CURRENT.get().user_id),
            day=None, stopped=0,
        )  # fmt: skip
        return HTMLResponse(text, status_code=422 if error else 200)

    def _over_elsewhere(self, connection: Any, now: int) -> None:
        """Whoever had the old way in is signed out."""
        session = CURRENT.get().session
        if session is not None:
            sessions.end_others(connection, session.user_id, session.session_id, now)

    def key_options(self, _pages: Any, request: Request) -> Response:
        """A challenge for a new passkey."""
        person, challenge = CURRENT.get(), secrets.token_urlsafe(32)
        ticket = tickets.Ticket(tickets.CHALLENGE, person.user_id, "add")
        with self.gate.access.write() as connection:
            tickets.issue(connection, challenge, ticket, self.gate.now())
        name = person.viewer.name if person.viewer else person.user_id
        options = passkeys.registration(site_of(request), person.user_id, name, challenge)
        return JSONResponse({"options": json.loads(options), "challenge": challenge})

    async def add_key(self, _pages: Any, request: Request) -> Response:
        """Keep the passkey that answered."""
        document = await json_of(request)
        return await run_in_threadpool(self._add_key, request, document)

    def _add_key(self, request: Request, document: dict[str, Any]) -> Response:
        user, now = CURRENT.get().user_id, self.gate.now()
        challenge = str(document.get("challenge", ""))
        with self.gate.access.lock, self.gate.access.write() as connection:
            ticket = tickets.redeem(connection, challenge, tickets.CHALLENGE, now)
            known = ticket is not None and (ticket.user_id, ticket.data) == (user, "add")
            answer = json.dumps(document.get("answer"))
            added = known and passkeys.add(
                connection, site_of(request), user, challenge, answer, now
            )
            if added:
                append(self.gate.access, connection, Line(now, user, Action.CHANGE, "add-passkey"))
        if not added:
            return JSONResponse({"error": "This passkey could not be added."}, 422)
        return JSONResponse({"next": "/me"})

    async def change(self, _pages: Any, request: Request) -> Response:
        """Another password, a passkey or a session less, new recovery codes."""
        form = await request.form()
        what, which = str(form.get("what", "")), str(form.get("which", ""))[:300]
        return await run_in_threadpool(self._change, what, which)

    def _change(self, what: str, which: str) -> Response:
        user, now, codes = CURRENT.get().user_id, self.gate.now(), recovery_codes()
        try:
            if what == "password":
                local.check_password(which, (user,))
        except InputError as error:
            return self._mine(f"{error.message} {error.remedy}")
        with self.gate.access.lock, self.gate.access.write() as connection:
            if what == "remove-passkey":
                passkeys.remove(connection, user, which)
            elif what == "password":
                local.set_password(connection, user, which, now)
                self._over_elsewhere(connection, now)
            elif what == "end-session":
                sessions.end_one(connection, user, which, now)
            elif what == "end-all":
                sessions.end_all(connection, user, now)
            elif what == "recovery-codes":
                local.set_recovery_codes(connection, user, codes)
            else:
                raise HTTPException(404)
            append(self.gate.access, connection, Line(now, user, Action.CHANGE, what))
        if what == "recovery-codes":
            return self._codes(codes, first=False)
        return RedirectResponse("/me", status_code=303)


def recovery_codes() -> list[str]:
    """New codes of three groups, each about 59 bits."""

    def one() -> str:
        return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(3))

    return [one() for _ in range(CODES)]


def _base32(secret: str) -> bool:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
    return len(secret) == 32 and all(c in letters for c in secret)


def _picture(secret: str, user: str) -> Markup:
    """The secret as an SVG that an authenticator app reads."""
    import segno
    from pyotp import TOTP

    address = TOTP(secret).provisioning_uri(name=user, issuer_name="opensma")
    svg = segno.make(address, error="m").svg_inline(
        scale=4, border=2, dark="#000", light="#fff", omitsize=True
    )
    return Markup(svg)
