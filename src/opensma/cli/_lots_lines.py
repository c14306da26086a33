"""Where in its JSON file an event starts, for the messages of `sma lots replay`."""

from __future__ import annotations

import json
import re
from typing import Any

from opensma.tax.replay.events import Located

_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


def located(data: bytes, file: str) -> Any:
    """What `json.loads` gives for JSON known to be valid; events also know their line."""
    text = data.decode(json.detect_encoding(data))
    at = _skip(text, 0)
    if text[at] == "[":
        return _events(text, at, file)[0]
    if text[at] != "{":
        return json.loads(text)
    found: dict[str, Any] = {}
    at = _skip(text, at + 1)
    while text[at] != "}":
        name, at = _DECODER.raw_decode(text, at)
        at = _skip(text, _skip(text, at) + len(":"))
        if name == "events" and text[at] == "[":
            found[name], at = _events(text, at, file)
        else:
            found[name], at = _DECODER.raw_decode(text, at)
        at = _after_comma(text, at)
    return found


def _events(text: str, at: int, file: str) -> tuple[list[Any], int]:
    """The list that starts at a place, its objects with their lines, and where it ends."""
    events, line, counted = [], 1, 0
    at = _skip(text, at + 1)
    while text[at] != "]":
        line, counted = line + text.count("\n", counted, at), at
        event, at = _DECODER.raw_decode(text, at)
        events.append(Located(event, line, file) if isinstance(event, dict) else event)
        at = _after_comma(text, at)
    return events, at + 1


def _after_comma(text: str, at: int) -> int:
    at = _skip(text, at)
    return _skip(text, at + 1) if text[at] == "," else at


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at
