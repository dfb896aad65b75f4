"""Which tests run without the large reference outputs, and which tests a worker gets together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import conftest


def item(name: str, *, fixtures: Sequence[str] = (), marker: str = "") -> SimpleNamespace:
    """A test of a module, as pytest hands it out."""
    return SimpleNamespace(
        nodeid=f"tests/{name}",
        fixturenames=list(fixtures),
        get_closest_marker=lambda wanted: wanted if wanted == marker else None,
    )


@pytest.mark.parametrize(
    ("folder", "left_out"),
    [pytest.param("missing", ["large"], id="no references"), pytest.param("", [], id="references")],
)
def test_tests_of_missing_references_are_deselected(monkeypatch, tmp_path: Path, folder, left_out):
    monkeypatch.setattr(conftest, "SHARED", tmp_path / folder)
    items = [item("large", fixtures=("tmp_path", "shared")), item("small", fixtures=("tmp_path",))]
    everything, deselected = list(items), []
    config = SimpleNamespace(hook=SimpleNamespace(pytest_deselected=lambda items: deselected.extend(items)))

    conftest.pytest_collection_modifyitems(config, items)

    assert [one.nodeid for one in deselected] == [f"tests/{name}" for name in left_out]
    assert items == [one for one in everything if one not in deselected]


def test_groups_that_take_longest_come_first():
    config = SimpleNamespace(hook=SimpleNamespace(pytest_deselected=lambda items: None))
    quick = [item(f"test_quick.py::test_{number}") for number in range(2)]
    slow = [item("test_slow.py::test_quick"), item("test_slow.py::test_slow", marker="slow")]
    browser = [item("browser/test_pages.py::test_page", marker="browser")]
    items = [quick[0], *slow, *browser, quick[1]]

    conftest.pytest_collection_modifyitems(config, items)

    assert items == [*browser, *slow, *quick]


def test_a_worker_gets_a_module_or_most_browser_tests():
    nodes = (
        "tests/browser/test_video.py::test_upload",
        "tests/browser/test_keyboard.py::test_tab[a::b]",
        "tests/browser/test_pages.py::test_page[speed]",
        "tests/video/test_tracks.py::test_track[1]",
        "tests/video/test_tracks.py::test_track[2]",
        "tests/video/test_frames.py::test_frame",
    )
    video, keyboard, page, track, same_track, frame = map(conftest.worker_group, nodes)
    assert video == keyboard
    assert track == same_track
    assert len({video, page, track, frame}) == 4
