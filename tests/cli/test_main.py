"""Parsing, dispatch and error messages; each command has a test file of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from featherface.cli import main as entry
from featherface.cli.main import COMMANDS, main

SLOW_IMPORTS = ("torch", "numpy", "cv2", "pandas", "plotly", "streamlit")


def test_every_command_file_is_listed():
    files = Path(entry.__file__).parent.glob("*_command.py")
    assert sorted(COMMANDS) == sorted(file.stem.removesuffix("_command") for file in files)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    assert main([command, "--help"]) == 0
    assert "--json" in capsys.readouterr().out


def test_a_program_whose_help_imports_nothing_slow():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "featherface", "detect", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("usage: featherface detect")
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "featherface.cli.main" in imported
    assert not set(SLOW_IMPORTS) & imported


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param([], "required: COMMAND", id="no command"),
        pytest.param(["parmas"], "invalid choice: 'parmas'", id="unknown command"),
        pytest.param(
            ["params", "--bogus\nline"], "unrecognized arguments: --bogus line", id="unknown option"
        ),
        pytest.param(["params", "--model", "v9"], "choose v1, v2 or all", id="unknown model"),
    ],
)
def test_a_mistake_is_one_line_on_stderr_and_status_2(arguments, message, capsys):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.startswith("featherface: ")
    assert err.count("\n") == 1


def test_a_bug_is_not_disguised_as_a_mistake_of_the_user(monkeypatch):
    def broken(*_: object) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr("featherface.profiling.parameters.group_counts", broken)
    with pytest.raises(ValueError, match="a bug"):
        main(["params"])
