"""`sma`: one file per noun, thin shells over the rooms. Errors become text or JSON here.

Lives here: the command frame, options shared by the nouns, and the one place where an error turns
into words and an exit code (0 done, 1 a check found a difference, 2 bad input or usage).
May enter: what people type. Must never know: tax law, SQL, or how a decision is made.
A noun's module is imported only when the noun is used, so `sma --help` stays instant.
"""

import errno
import os
import sys
import traceback
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from typing import cast

import click

from opensma import __version__
from opensma.cli.output import emit_json, error_text, note
from opensma.errors import OpensmaError, ensure

# One line each, kept here so that the help page imports none of the rooms. A noun is shown and
# found once `opensma/cli/<noun>.py` exists; that file exports `group` or `command`.
NOUNS: dict[str, str] = {
    "demo": "Build a book with a generated market, run one day, and look at it in the portal.",
    "day": "Run a trading day over all accounts.",
    "book": "Create, verify, export and look after the book of record.",
    "account": "Show an account: its lots, its value, and why it holds what it holds.",
    "why": "Explain one trade: lots, tax, risk, cost and the rule behind it.",
    "market": "Import, generate and check securities, prices and corporate actions.",
    "construct": "Solve the decision alone, from files, and measure the solver.",
    "lots": "Replay and time the tax-lot rules alone, from files.",
    "tax": "Tax forms of a trade list, and how they compare with the custodian's.",
    "measure": "Measure an account; check return calculations against worked cases.",
    "bill": "Load fee terms; preview, release and reverse the invoices of a period.",
    "statements": "Statements of a period for clients, as PDF.",
    "growth": "How the programme is won, kept and paid for, in figures that tie to the fees.",
    "access": "Who may see what: users, invitations, grants, the audit log.",
    "serve": "Serve the portal.",
}

INTERRUPTED = 130  # what shells report for a program stopped by Ctrl-C (128 + SIGINT)
READER_LEFT = 141  # and for one whose reader went away, as in `sma ... | head` (128 + SIGPIPE)

# errno -> (code, what to do). The message itself comes from the operating system.
_SYSTEM_ERRORS: dict[int, tuple[str, str]] = {
    errno.ENOSPC: ("disk.full", "Free some space and run the same command again."),
    errno.EDQUOT: ("disk.full", "Your quota is used up. Free some space and run it again."),
    errno.EROFS: ("disk.read_only", "Choose a place that can be written."),
    errno.EACCES: ("file.denied", "Check the owner and the permissions, or choose another place."),
    errno.EPERM: ("file.denied", "Check the owner and the permissions, or choose another place."),
    errno.ENOENT: ("file.missing", "Check the path."),
    errno.EEXIST: ("file.exists", "Choose another place, or move the existing file away."),
    errno.EISDIR: ("file.is_folder", "Name a file, not a folder."),
    errno.ENOTDIR: ("file.not_folder", "Name a folder, not a file."),
    errno.EMFILE: ("system.files", "Too many open files: raise the limit (ulimit -n)."),
    errno.ENOMEM: ("system.memory", "Use fewer workers, or a machine with more memory."),
    errno.EADDRINUSE: ("port.busy", "Another program uses this port. Choose another."),
}


class Nouns(click.Group):
    """The `sma` group: knows every noun by name and imports one when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Nouns whose module exists, in the order of the table; imports none of them."""
        return [noun for noun in NOUNS if find_spec(f"{__name__}.{noun}") is not None]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the noun's module and return what it exports."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module = import_module(f"{__name__}.{cmd_name}")
        command = getattr(module, "group", None) or module.command
        ensure(isinstance(command, click.Command), "a noun exports no command", noun=cmd_name)
        return cast(click.Command, command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the nouns from the static table."""
        if nouns := self.list_commands(ctx):
            with formatter.section("Nouns"):
                formatter.write_dl([(noun, NOUNS[noun]) for noun in nouns])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with a suggestion when the noun is nearly right."""
        known = self.list_commands(ctx)
        if args and not args[0].startswith("-") and args[0] not in known:
            near = get_close_matches(args[0], known, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            ctx.fail(f"There is no noun '{args[0]}'.{hint}")
        return super().resolve_command(ctx, args)


@click.group(
    cls=Nouns,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    subcommand_metavar="NOUN [VERB] [ARGUMENTS]",
)
@click.version_option(__version__, prog_name="sma", message="%(prog)s %(version)s")
def sma() -> None:
    """Separately managed accounts: decide, explain, book, measure and show every trade.

    Start with `sma demo`. Every noun has its own --help. With --json a command prints one JSON
    document on standard output; messages go to standard error.
    """


def main() -> None:
    """Entry point of the `sma` program."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; every failure is told once, here."""
    as_json = "--json" in arguments
    try:
        status = _invoke(arguments)
        sys.stdout.flush()  # a full disk or a closed pipe shows up here, not after the exit code
        return status
    except (KeyboardInterrupt, EOFError, click.Abort):
        note("sma: interrupted. What was recorded stays; run the same command again to go on.")
        return INTERRUPTED
    except BrokenPipeError:
        _silence_stdout()
        return READER_LEFT
    except click.exceptions.NoArgsIsHelpError as error:
        return _fail(_usage(error), as_json) if as_json else _show_help(error)
    except click.ClickException as error:
        return _fail(_usage(error), as_json)
    except OpensmaError as error:
        return _fail(error, as_json)
    except OSError as error:
        return _fail(_from_system(error), as_json)
    except Exception as error:  # noqa: BLE001 - Python's own exit code 1 means "a difference"
        traceback.print_exc()
        return _fail(_from_bug(error), as_json)


def _invoke(arguments: Sequence[str]) -> int:
    """A command ends with None, with an exit code, or through `ctx.exit(code)`."""
    result = sma.main(args=list(arguments), prog_name="sma", standalone_mode=False)
    return result if type(result) is int else 0


def _fail(error: OpensmaError, as_json: bool) -> int:
    try:
        if as_json:
            emit_json({"error": error.as_dict()})
            sys.stdout.flush()
        else:
            note(error_text(error))
    except OSError:  # standard output itself is what failed; say it where somebody may read it
        _silence_stdout()
        note(error_text(error))
    return 2


def _silence_stdout() -> None:
    """Send what is left in the buffer nowhere, so that Python's exit does not fail on it again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _show_help(error: click.exceptions.NoArgsIsHelpError) -> int:
    error.show()
    return error.exit_code


def _usage(error: click.ClickException) -> OpensmaError:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "sma"
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        message = "Nothing to do: a noun or a verb is missing."
    else:
        message = error.format_message()
    return OpensmaError("usage", message, where=path, remedy=f"See `{path} --help`.")


def _from_system(error: OSError) -> OpensmaError:
    name = errno.errorcode.get(error.errno or 0, "error").lower()
    code, remedy = _SYSTEM_ERRORS.get(error.errno or 0, (f"system.{name}", ""))
    files = [str(file) for file in (error.filename, error.filename2) if file is not None]
    message = f"{error.strerror or error}."
    return OpensmaError(code, message, where=" -> ".join(files), remedy=remedy)


def _from_bug(error: Exception) -> OpensmaError:
    return OpensmaError(
        "internal.error",
        f"{type(error).__name__}: {error}",
        remedy="This is a bug of opensma. Please report it with the trace on standard error.",
    )
