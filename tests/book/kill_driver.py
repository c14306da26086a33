"""Runs a trading day in children that are killed at chosen statements, then finishes each day.

A program of its own (`python kill_driver.py STORE TEMPLATE...`), so that it may fork: the market is
read and the solver is loaded once. The kill is a real SIGKILL, sent by the child to itself from an
event of the database engine; the product has no hook for it.

Reads JSON lines `[url, kill]` and answers with JSON lines. `kill` is null (undisturbed) or
`[number of the statement, "before" or "after"]`.
"""

import json
import os
import signal
import sys
from typing import Any

from sqlalchemy import Engine, event

from opensma.book import runs
from opensma.book.proof import book_hash
from opensma.book.store import open_book
from opensma.book.verify import verify
from opensma.day import run_day
from opensma.market import Market, open_market

RECORDED_AT = "2024-12-31T21:00:00Z"


def run(url: str, market: Market, kill: list[Any] | None) -> list[str]:
    """The day in this process, which ends here and now at the statement to be killed at.

    Returns the statements, and the stages where they end.
    """
    log: list[str] = []

    def before(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        log.append(statement)
        if kill == [len(log) - 1, "before"]:
            os.kill(os.getpid(), signal.SIGKILL)

    def after(*_all: Any) -> None:
        if kill == [len(log) - 1, "after"]:
            os.kill(os.getpid(), signal.SIGKILL)

    def finish_stage(connection: Any, run_id: str, position: int, stage: str, *rest: Any) -> None:
        log.append(f"stage {stage}")
        really(connection, run_id, position, stage, *rest)

    really, runs.finish_stage = runs.finish_stage, finish_stage
    event.listen(Engine, "before_cursor_execute", before)
    event.listen(Engine, "after_cursor_execute", after)
    try:
        run_day(open_book(url), market, market.day(-1), recorded_at=RECORDED_AT, batch=2)
    finally:
        runs.finish_stage = really
        event.remove(Engine, "before_cursor_execute", before)
        event.remove(Engine, "after_cursor_execute", after)
    return log


def in_child(url: str, market: Market, kill: list[Any]) -> int:
    """Run the day in a child; the signal that ended it, 0 when it came to its end."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            run(url, market, kill)
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return os.WTERMSIG(status)
    if os.WEXITSTATUS(status):
        raise SystemExit(f"the day failed in a child that should have been killed at {kill}")
    return 0


def main() -> None:
    """Answer every request of standard input."""
    market = open_market(sys.argv[1])
    for line in sys.stdin:
        url, kill = json.loads(line)
        ended = in_child(url, market, kill) if kill else 0
        statements = run(url, market, None)  # the first time undisturbed, then to the end
        book = open_book(url)
        answer = {
            "signal": ended,
            "statements": statements,
            "hash": book_hash(book),
            "findings": [finding.as_dict() for finding in verify(book)],
        }
        print(json.dumps(answer), flush=True)  # noqa: T201 - this is its answer


if __name__ == "__main__":
    main()
