"""What surrounds every answer: who may ask (by host name), and the headers that browsers obey."""

from __future__ import annotations

from ipaddress import ip_address

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BODY = 2_000_000  # bytes of one request, whatever it is for
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
}


def is_loopback(host: str) -> bool:
    """Whether a host name means this machine and nothing else."""
    name = host.strip("[]").lower()
    if name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


class Shield:
    """Refuses foreign host names (a page elsewhere could point its own name here), sets headers."""

    def __init__(
        self, app: ASGIApp, embed: tuple[str, ...] = (), names: tuple[str, ...] = ()
    ) -> None:
        self.app = app
        self.names = frozenset(name.lower() for name in names)  # besides this machine's
        self.embed = embed  # origins that may show the public page in a frame

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
                if self.embed and scope["path"] == "/study":
                    allowed = f"frame-ancestors {' '.join(self.embed)}"
                    policy = POLICY.replace("frame-ancestors 'none'", allowed)
                    headers["Content-Security-Policy"] = policy
                    del headers["X-Frame-Options"]
            await send(message)

        headers = Headers(scope=scope)
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > MOST_BODY:
            large = PlainTextResponse("This is too large.\n", status_code=413)
            await large(scope, receive, guarded)
            return
        receive = _limited(receive)
        host = _host(headers.get("host", ""))
        if is_loopback(host) or host.lower() in self.names:
            await self.app(scope, receive, guarded)
            return
        refused = PlainTextResponse("This portal answers by its own name only.\n", status_code=421)
        await refused(scope, receive, guarded)


def _host(header: str) -> str:
    """The name in a Host header without its port; brackets mark an IPv6 address."""
    if header.startswith("["):
        return header.partition("]")[0]
    return header.partition(":")[0]


def _limited(receive: Receive) -> Receive:
    """The request's body, cut off like a lost connection where it grows beyond the limit."""
    size = 0

    async def counted() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        return {"type": "http.disconnect"} if size > MOST_BODY else message

    return counted
