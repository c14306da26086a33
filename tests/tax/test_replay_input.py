"""Whatever a case holds, the replay answers or refuses by name: it never breaks."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensma.errors import InputError
from opensma.tax.replay import replay

CASES = sorted((Path(__file__).parent / "cases").glob("*.json"))
ODD: tuple[Any, ...] = (
    *(None, "", "0", "-1", "1.005", "1e9", "NaN", "9" * 5000, "1/0", "9999-12-31", "2024-02-30"),
    *(0, -1, 1.5, True, [], [1], {}, {"lot": 3}, "L1", "X", "A", "\x00", "½", "٣"),
)


@given(st.sampled_from(CASES), st.integers(0, 10**9))
def test_a_spoiled_case_is_answered_or_refused(path: Path, seed: int) -> None:
    case, chance = json.loads(path.read_text()), random.Random(seed)
    target = chance.choice([*case["events"]] * 3 + [*case["accounts"], case])
    target[chance.choice([k for k in target if not k.startswith("expect")])] = chance.choice(ODD)
    try:
        answer = replay(case)
    except InputError:
        return
    if "error" in answer:
        assert answer["error"]["remedy"]
        assert set(answer) == {"error", "open"}
    else:
        json.dumps(answer)


@pytest.mark.parametrize("name", ["policy", "accounts", "substantially_identical", "events"])
@pytest.mark.parametrize("odd", [7, "text", {"a": 1}])
def test_a_spoiled_frame_is_refused(name: str, odd: object) -> None:
    case = json.loads(CASES[0].read_text())
    with pytest.raises(InputError):
        replay(case | {name: odd})
