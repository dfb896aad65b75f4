"""Replace files in one step, so that a full disk or a crash leaves the old ones; show file names safely."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

__all__ = ["printable", "short_name", "write_files"]

_LONGEST_NAME = 80  # characters that people read of a file name
_NAME_END = 25  # of these, from its end, where the extension is
_SURROGATES = range(0xDC80, 0xDD00)  # how Python holds the bytes of a path that are not UTF-8


def printable(text: str) -> str:
    """Return a path or name for screens and files: line breaks and bytes that are not UTF-8 are escaped."""
    return "".join(letter if letter.isprintable() else _escape(letter) for letter in text)


def short_name(name: str) -> str:
    """Return a file name on one printable line of at most 80 characters; a longer one loses its middle."""
    line = printable(" ".join(name.split()))
    if len(line) <= _LONGEST_NAME:
        return line
    return f"{line[: _LONGEST_NAME - _NAME_END - 1]}…{line[-_NAME_END:]}"


def _escape(letter: str) -> str:
    code = ord(letter)
    return f"\\x{code - 0xDC00:02x}" if code in _SURROGATES else ascii(letter)[1:-1]


def write_files(contents: Mapping[Path, bytes]) -> None:
    """Write bytes to each path; no path is touched before all contents are on the disk.

    Raises OSError that names the path.
    """
    staged: list[tuple[Path, Path]] = []
    try:
        for path, data in contents.items():
            with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".partial", delete=False) as file:
                staged.append((Path(file.name), path))
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        for temporary, path in staged:
            temporary.chmod(0o644)
            temporary.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        for temporary, _ in staged:
            temporary.unlink(missing_ok=True)
