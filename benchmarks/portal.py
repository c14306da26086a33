"""How fast the portal answers: closed-loop connections against `sma serve` on this machine.

    python benchmarks/portal.py --book sma.db [--connections 16] [--seconds 8]
        [--path / ...] [--settle 10]

The server is a process of its own and is ended at the end. Each connection asks for a page, reads
all of it and asks again. Prints milliseconds at the median, 95th and 99th percentile per path.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def _one(port: int, request: bytes, until: float, found: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.perf_counter() < until:
        started = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 304")):
            raise SystemExit(f"not answered: {head[:80]!r}")
        size = next(
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length:")
        )
        await reader.readexactly(size)
        found.append(time.perf_counter() - started)
    writer.close()


async def _load(port: int, path: str, connections: int, seconds: float) -> list[float]:
    request = (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept-Encoding: gzip\r\n\r\n".encode()
    )
    found: list[float] = []
    until = time.perf_counter() + seconds
    await asyncio.gather(*(_one(port, request, until, found) for _ in range(connections)))
    return found


def measured(times: Sequence[float], seconds: float) -> dict[str, float]:
    """Percentiles in milliseconds, and answers a second."""
    ranked = sorted(times)

    def at(share: float) -> float:
        return round(1e3 * ranked[min(len(ranked) - 1, int(share * len(ranked)))], 1)

    return {
        "answers": len(ranked),
        "per_second": round(len(ranked) / seconds, 1),
        "p50_ms": at(0.5),
        "p95_ms": at(0.95),
        "p99_ms": at(0.99),
    }


def _ready(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise SystemExit("the server ended before it answered")
        try:
            with socket.create_connection(("127.0.0.1", port), 1):
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the server did not answer within a minute")


def main() -> None:
    """Serve the book, ask, print, end the server."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--book", required=True)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--path", action="append", default=[])
    parser.add_argument("--settle", type=float, default=10.0, help="seconds before the first")
    asked = parser.parse_args()
    port = free_port()
    words = [sys.executable, "-c", "from opensma.cli import main; main()", "serve"]
    words += ["--book", asked.book, "--port", str(port)]
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        _ready(port, process)
        time.sleep(asked.settle)  # it prepares charts and the decision in the background
        found = {}
        for path in asked.path or ["/"]:
            asyncio.run(_load(port, path, 1, 1.0))  # the first reading of the book
            times = asyncio.run(_load(port, path, asked.connections, asked.seconds))
            found[path] = measured(times, asked.seconds)
        print(json.dumps(found, indent=1))  # noqa: T201
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=20)


if __name__ == "__main__":
    main()
