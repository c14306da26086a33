"""Compile the decision kernel once, at install, so that no command makes its user wait for it."""

import sys
import time

from opensma.construct.warm import compile_kernel, forget


def main() -> None:
    """Drop machine code of older sources, compile anew, and say what is happening."""
    sys.stderr.write("Compiling the decision kernel (once, about half a minute) ...\n")
    started = time.monotonic()
    forget()
    compile_kernel()
    sys.stderr.write(f"Compiled in {time.monotonic() - started:.0f} s.\n")


if __name__ == "__main__":
    main()
