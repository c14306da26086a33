"""What surrounds every answer: who may ask (by host name), and the headers that browsers obey."""

from __future__ import annotations

from ipaddress import ip_address

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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

    def __init__(self, app: ASGIApp, embed: tuple[str, ...] = (), anywhere: bool = False) -> None:
        self.app = app
        self.anywhere = anywhere  # with a sign-in, other names than this machine's are answered
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

        if self.anywhere or is_loopback(_host(Headers(scope=scope).get("host", ""))):
            await self.app(scope, receive, guarded)
            return
        refused = PlainTextResponse(
            "This portal answers on 127.0.0.1 and localhost only.\n", status_code=421
        )
        await refused(scope, receive, guarded)


def _host(header: str) -> str:
    """The name in a Host header without its port; brackets mark an IPv6 address."""
    if header.startswith("["):
        return header.partition("]")[0]
    return header.partition(":")[0]
