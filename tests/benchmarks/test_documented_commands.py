"""Every command in benchmarks/README.md passes its script's own parser, and every script is documented."""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from importlib import import_module
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
README = (FOLDER / "README.md").read_text(encoding="utf-8").replace("\\\n", " ")
COMMANDS = re.findall(r"\.venv/bin/python -m (benchmarks\..*?)(?:`|$)", README, re.MULTILINE)


class ParsedError(Exception):
    """Raised in place of the measurement, once the arguments are parsed."""


@pytest.fixture
def only_parsed(monkeypatch):
    """Stop a script when its arguments are parsed, and return the parsers that have done so."""
    parsers, parse_args = [], argparse.ArgumentParser.parse_args

    def parse(parser, *arguments):
        parse_args(parser, *arguments)
        parsers.append(parser)
        raise ParsedError

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse)
    return parsers


@pytest.mark.parametrize("command", COMMANDS)
def test_a_documented_command_is_accepted(command, only_parsed, monkeypatch):
    name, *arguments = shlex.split(command)
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    with pytest.raises(ParsedError):
        import_module(name).main()
    assert only_parsed[0].prog == f"python -m {name}"


def test_every_script_is_documented():
    scripts = {path.stem for path in FOLDER.glob("*.py") if "__main__" in path.read_text(encoding="utf-8")}
    assert scripts == {shlex.split(command)[0].removeprefix("benchmarks.") for command in COMMANDS}
