"""The client: typed answers of the real API, errors with their code, retries that change once."""

from datetime import date

import httpx
import pytest
from starlette.testclient import TestClient
from tests.web.api.test_api import app, mine, token_of  # noqa: F401 - fixtures
from tests.web.conftest import portal  # noqa: F401 - a fixture

from opensma.client import ApiError, Client


@pytest.fixture
def sma(app: object) -> Client:  # noqa: F811
    secret = token_of(app, "owner")  # type: ignore[arg-type]
    served = TestClient(app, base_url="http://127.0.0.1")  # type: ignore[arg-type]
    return Client("http://127.0.0.1", secret, transport=served._transport)


def test_answers_are_typed_and_pages_are_followed(sma: Client, mine: str) -> None:  # noqa: F811
    accounts = list(sma.accounts(limit=1))
    assert [one.account_id for one in accounts] == sorted({one.account_id for one in accounts})
    assert sma.account(mine) in accounts
    positions = sma.positions(mine)
    assert sum(lot.quantity_micros for p in positions for lot in p.lots) == sum(
        p.quantity_micros for p in positions
    )
    assert all(trade.why for trade in sma.trades(mine))
    assert sma.performance(mine, first=date(2024, 9, 30)).first == "2024-09-30"


def test_a_request_is_asked_once_and_read_back(sma: Client, mine: str) -> None:  # noqa: F811
    first = sma.ask(mine, key="from-the-client-test", note="Please call me.")
    assert sma.ask(mine, key="from-the-client-test", note="Please call me.") == first
    assert first in sma.requests(mine)


def test_an_error_has_the_code_of_the_api(sma: Client) -> None:
    with pytest.raises(ApiError) as caught:
        sma.account("nobody")
    assert (caught.value.code, caught.value.where) == ("not_found", "/api/v1/accounts/nobody")


def test_a_server_that_is_busy_is_asked_again_and_a_refusal_is_not() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        if len(asked) < 3:
            return httpx.Response(503, json={"error": {"code": "busy"}})
        return httpx.Response(403, json={"error": {"code": "auth.scope", "message": "no"}})

    client = Client("http://x", "t", transport=httpx.MockTransport(answer), pause_seconds=0.0)
    with client, pytest.raises(ApiError) as caught:
        client.account("A1")
    assert caught.value.code == "auth.scope"
    assert len(asked) == 3
