"""A server killed in the middle of an upload: nothing of the photo stays, and the weights are as before."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from corpus import encoded, noise

from benchmarks.visitor import PATIENCE, ROOT, Visitor, served

NOT_OURS = (".git", ".venv", "runs")  # beside the project's own files
SIZE = 24 * 2**20  # bytes; half of it is more than the connection buffers, so the server has taken some in


def files_with(marker: bytes, folder: Path, since: float) -> list[Path]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.stat().st_mtime >= since)
    return [path for path in files if marker in path.read_bytes()]


@pytest.mark.slow
def test_killed_in_the_middle_of_an_upload(seeded, tmp_path, monkeypatch):
    started, marker = time.time(), os.urandom(32)
    photo = encoded(noise(48, 32), "PNG")
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    for name, folder in (("HOME", home), ("TMPDIR", temporary)):
        folder.mkdir()
        monkeypatch.setenv(name, str(folder))
    before = {path.name: path.read_bytes() for path in seeded.iterdir()}

    with (
        served(seeded, tmp_path / "killed.log") as dashboard,
        Visitor(dashboard.address, "claims") as visitor,  # opens fastest; any page's session takes uploads
    ):
        upload = visitor.half_upload("lost.png", photo + marker * (SIZE // len(marker)))
        open_files = [str(link.readlink()) for link in Path(f"/proc/{dashboard.process.pid}/fd").iterdir()]
        dashboard.process.kill()
        dashboard.process.wait(PATIENCE)
        upload.close()
    assert not [name for name in open_files if str(temporary) in name]  # nor was any of it ever on the disk
    assert list(temporary.iterdir()) == []
    ours = [home, seeded, *(path for path in ROOT.iterdir() if path.is_dir() and path.name not in NOT_OURS)]
    assert [path for folder in ours for path in files_with(marker, folder, started)] == []
    assert {path.name: path.read_bytes() for path in seeded.iterdir()} == before
