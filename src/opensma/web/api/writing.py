"""Changes through the API: requests of owners, each with a key so that it is made once."""

import json
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Response
from starlette.exceptions import HTTPException

from opensma.access import idempotency, requests
from opensma.access.tokens import TokenScope
from opensma.book.rights import Right
from opensma.web.api import models
from opensma.web.api.caller import Caller, Callers
from opensma.web.api.reading import AccountId
from opensma.web.gate import Gate

Key = Annotated[str, Header(alias="Idempotency-Key", min_length=8, max_length=100,
                            pattern=r"^[\x21-\x7e]+$")]  # fmt: skip


def writing_routes(callers: Callers, gate: Gate) -> APIRouter:
    """Requests: listed, and asked once for each key."""
    router = APIRouter()

    @router.get("/accounts/{account_id}/requests")
    def asked(
        caller: Annotated[Caller, Depends(callers.wanting(TokenScope.ACCOUNTS))],
        account_id: AccountId,
    ) -> list[models.RequestOut]:
        """What was asked for the account, open requests first."""
        caller.account(account_id, Right.HOLDINGS)
        return [_out(one) for one in requests.of_accounts(gate.access, [account_id])]

    @router.post("/accounts/{account_id}/requests", status_code=201)
    def ask(
        caller: Annotated[Caller, Depends(callers.wanting(TokenScope.REQUESTS))],
        account_id: AccountId,
        wish: models.RequestIn,
        key: Key,
        answer: Response,
    ) -> models.RequestOut:
        """Ask for a change; the engine's preview is kept with it. Answered by a person."""
        caller.account(account_id, Right.PERSONALISE)
        text = f"{account_id} {wish.model_dump_json()}"
        with gate.access.read() as connection:
            kept = idempotency.find(connection, caller.user_id, key, text)
        if kept is not None and not kept.same:
            raise HTTPException(409)
        if kept is not None:
            answer.status_code = 200
            return models.RequestOut.model_validate(json.loads(kept.answer))
        fields = wish.model_dump(exclude={"note", "raise_cash"}) | {"raise": wish.raise_cash}
        made = caller.pages.personalise.make(account_id, caller.user_id, fields, wish.note)
        out = _out(made)
        with gate.access.write() as connection:
            idempotency.keep(
                connection, caller.user_id, key, text, 201, out.model_dump_json(), gate.now()
            )
        return out

    return router


def _out(one: requests.Request) -> models.RequestOut:
    return models.RequestOut(
        request_id=one.request_id, account_id=one.account_id, asked_by=one.user_id,
        asked_at=one.asked_at, fields=dict(one.fields), note=one.note, state=one.state.value,
        verdict=str(one.preview.get("verdict", "")), decided_by=one.decided_by,
        decided_at=one.decided_at, reason=one.reason, applied=list(one.applied),
    )  # fmt: skip
