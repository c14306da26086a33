"""What a worker of the decision needs, imported before it is forked: modules and machine code.

Importing this module loads the compiled kernel. It is named to `workers.start_early`, so that the
server of worker processes gets ready while the day's first stage runs; nothing else imports it.
"""

from opensma.construct.warm import compile_kernel
from opensma.trade import propose

__all__ = ["propose"]

compile_kernel()
