"""Style, script and icon: read once, served under names that hold their hash, kept for ever."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response

_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the package under its address."""

    address: str  # name.hash.kind
    media_type: str
    body: bytes


def load_assets() -> dict[str, Asset]:
    """Every asset by its plain name."""
    found = {}
    for entry in files("opensma.web").joinpath("static").iterdir():
        stem, _, kind = entry.name.rpartition(".")
        if kind in _TYPES:
            body = entry.read_bytes()
            address = f"{stem}.{sha256(body).hexdigest()[:12]}.{kind}"
            found[entry.name] = Asset(address, _TYPES[kind], body)
    return found


def kept(request: Request, body: bytes, media_type: str, tag: str) -> Response:
    """An answer that never changes under its address; 304 where the reader has it already."""
    headers = {"ETag": f'"{tag}"', "Cache-Control": FOREVER}
    if f'"{tag}"' in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)
