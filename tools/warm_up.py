"""Compile the decision kernel once, at install, so that no command makes its user wait for it."""

import sys
import time
from importlib import import_module


def main() -> None:
    """Call `opensma.construct.warm_up()` where the room offers it, and say what is happening."""
    room = import_module("opensma.construct")
    warm_up = getattr(room, "warm_up", None)
    if not callable(warm_up):
        return
    sys.stderr.write("Compiling the decision kernel (once, about half a minute) ...\n")
    started = time.monotonic()
    warm_up()
    sys.stderr.write(f"Compiled in {time.monotonic() - started:.0f} s.\n")


if __name__ == "__main__":
    main()
