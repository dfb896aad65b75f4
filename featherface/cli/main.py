"""The entry point `featherface COMMAND`: parsing, dispatch and error messages."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from featherface.cli.common import ERROR, INTERRUPTED, Command, error_line
from featherface.errors import FeatherFaceError

__all__ = ["COMMANDS", "main"]

# In the order of --help. To add a command NAME, write featherface/cli/NAME_command.py, which defines COMMAND,
# and add a line here.
COMMANDS = (
    "detect",
    "video",
    "evaluate",
    "stress",
    "prune",
    "attributes",
    "bench",
    "params",
    "flops",
    "study",
    "export",
    "engines",
    "train",
    "label",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, or 2 after one line on standard error."""
    try:
        arguments = _parser().parse_args(argv)
        status: int = arguments.run(arguments)
        return status
    except SystemExit as stop:  # from argparse, which has printed its message
        return int(stop.code or 0)
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        return _report(f"{error.filename or 'output'}: {error.strerror}")
    except FeatherFaceError as error:
        return _report(str(error))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Print the mistake in one line, without the usage, and exit."""
        raise SystemExit(_report(message))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="featherface", description="Compare the face detectors FeatherFace V1 and V2.")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS:
        command: Command = import_module(f"featherface.cli.{name}_command").COMMAND
        options = commands.add_parser(
            name,
            help=command.summary,
            description=command.description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        options.add_argument(
            "--json", action="store_true", help="print JSON, and nothing else, on standard output"
        )
        options.set_defaults(run=command.run)
        command.add_options(options)
    return parser


def _report(message: str) -> int:
    print(error_line(message), file=sys.stderr)
    return ERROR
