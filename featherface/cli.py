"""The project's jobs without a browser: `python -m featherface COMMAND`.

Each command has an `add_<name>` that declares its options and a handler that does the work. PyTorch and what
needs it is imported by the handlers, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

__all__ = ["CommandError", "main"]

_ERROR = 2  # exit status for everything that a person can put right, as argparse has it
_INTERRUPTED = 130  # exit status of a program stopped by Ctrl-C

Subparsers = argparse._SubParsersAction  # has no public name


class CommandError(ValueError):
    """A command cannot do what its options ask; the message is one sentence."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, or 2 after one line on standard error."""
    try:
        arguments = _parser().parse_args(argv)
        return arguments.handler(arguments)
    except SystemExit as stop:  # argparse has said what there is to say
        return int(stop.code or 0)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except OSError as error:
        return _report(f"{error.filename or 'output'}: {error.strerror}")
    except ValueError as error:
        if not type(error).__module__.startswith("featherface"):
            raise  # only errors with a name of ours are meant for people; this one is a bug
        return _report(str(error))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line, without the usage."""
        raise SystemExit(_report(message))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m featherface", description="Two light face detectors, compared.")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in (add_params,):
        add(subparsers)
    return parser


def _add_command(
    subparsers: Subparsers, name: str, handler: Callable[[argparse.Namespace], int], description: str
) -> argparse.ArgumentParser:
    """Add a command whose `handler` returns the exit status; every command can print JSON."""
    command = subparsers.add_parser(
        name,
        help=description.partition(".")[0].lower(),
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--json", action="store_true", help="print JSON alone on standard output")
    command.set_defaults(handler=handler)
    return command


def _report(message: str) -> int:
    print("featherface:", " ".join(message.split()), file=sys.stderr)
    return _ERROR


def _model_keys(choice: str, everything: str) -> list[str]:
    """Return the registry keys that `choice` stands for: one of them, or all for the word `everything`."""
    from featherface.models import MODELS

    if choice == everything:
        return list(MODELS)
    if choice not in MODELS:
        raise CommandError(f"there is no model {choice!r}; choose {', '.join(MODELS)} or {everything}")
    return [choice]


def add_params(subparsers: Subparsers) -> None:
    """Declare `params`."""
    command = _add_command(
        subparsers,
        "params",
        _params,
        "Count parameters by group.\n\n"
        'JSON: {"v1": {"total": 592371, "groups": {"Backbone": 213072, ...}}, ...}',
    )
    command.add_argument("--model", default="all", metavar="v1|v2|all", help="(default: %(default)s)")


def _params(arguments: argparse.Namespace) -> int:
    from featherface.analysis.parameters import group_counts
    from featherface.models import MODELS

    groups = {key: group_counts(key) for key in _model_keys(arguments.model, "all")}
    counts = {key: {"total": sum(group.values()), "groups": dict(group)} for key, group in groups.items()}
    if arguments.json:
        print(json.dumps(counts))
        return 0
    for key, count in counts.items():
        print(f"{MODELS[key].name}: {count['total']:,} parameters")
        for group, parameters in count["groups"].items():
            print(f"  {group:<10}{parameters:>9,}")
    return 0
