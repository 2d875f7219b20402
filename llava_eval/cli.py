"""The command line: which command, and what its errors become; see `commands`."""

from __future__ import annotations

import argparse
import io
import os
import stat
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from llava_eval.commands import COMMANDS
from llava_eval.console import complain
from llava_eval.errors import LlavaEvalError, UsageError, why
from llava_eval.signals import Terminated, sigterm_as_interrupt
from llava_eval.streams import Stream, lasting_streams
from llava_eval.version import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0 done; 1 something that the user can put right; 2 a wrong command line; 3 a regression; 4 a
    comparison that is inconclusive or refused; as shells have it, 130 interrupted, 143 told to
    end (SIGTERM), 141 nobody reads the output. Where the output cannot be written, 0 becomes 1.
    """
    os.umask(os.umask(0) | stat.S_IWOTH)  # not everybody writes to new files, whatever is set
    with lasting_streams() as (out, err):
        for stream in (out.stream, err.stream):  # a console that has no ± gets a ?
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        code = _carry_out(sys.argv[1:] if arguments is None else arguments)
        return _told(code, out, err)


def _told(code: int, out: Stream, err: Stream) -> int:
    """Return the exit code of a command, or that not all of what it said was heard."""
    out.flush()
    if out.fault and not isinstance(out.fault, BrokenPipeError):
        complain(f"standard output: cannot be written: {why(out.fault)}; what it said is lost")
    err.flush()
    faults = [stream.fault for stream in (out, err) if stream.fault]
    if code or not faults:
        return code
    # `llava-eval tasks | head -1`: nobody reads on
    return 141 if all(isinstance(fault, BrokenPipeError) for fault in faults) else 1


def _carry_out(arguments: Sequence[str]) -> int:
    try:
        options = parse(arguments)
        with sigterm_as_interrupt():
            code: int = options.command(options)
    except LlavaEvalError as error:
        complain(str(error))
        return error.exit_code
    except SystemExit as done:  # --help, --version
        return int(done.code or 0)
    except OSError as error:
        if error.filename is None:
            raise
        complain(f"{error.filename}: {why(error)}")
        return 1
    except KeyboardInterrupt as error:
        told = isinstance(error, Terminated)
        what = "told to end (SIGTERM)" if told else "interrupted"
        complain(f"{what}; the same command continues")
        return 143 if told else 130
    return code


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line, like all others."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the command line, without repeating all of its options."""
        raise UsageError(f"{message}; see {self.prog} --help")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read a command line; only the command that it names is imported.

    Raises:
        UsageError: It is wrong.
    """
    parser = _Parser(
        prog="llava-eval", description="Evaluate LLaVA checkpoints, exactly and with error bars."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, purpose in COMMANDS.items():
        command = commands.add_parser(name, help=purpose)
        if name in arguments[:1]:
            import_module(f"llava_eval.commands.{name}").configure(command)
    return parser.parse_args(arguments)
