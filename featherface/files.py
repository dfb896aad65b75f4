"""Replace files in one step: a full disk or a crash leaves the old files."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

__all__ = ["write_files"]


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
