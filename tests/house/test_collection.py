"""Which tests run without the large reference outputs, and in which order the workers get the tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import conftest


def item(name: str, *, fixtures: Sequence[str] = (), waits: bool = False) -> SimpleNamespace:
    """A test in a module of its own, as pytest hands it out."""
    marker = "browser" if waits else None
    return SimpleNamespace(
        name=name,
        path=Path(f"test_{name}.py"),
        fixturenames=list(fixtures),
        get_closest_marker=lambda wanted: marker if wanted == marker else None,
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

    assert [one.name for one in deselected] == left_out
    assert items == [one for one in everything if one not in deselected]


def test_browser_tests_are_spread_over_the_others():
    config = SimpleNamespace(hook=SimpleNamespace(pytest_deselected=lambda items: None))
    items = [*(item(f"page {number}", waits=True) for number in range(2)), *map(item, "abcd")]

    conftest.pytest_collection_modifyitems(config, items)

    assert [one.name for one in items] == ["page 0", "a", "b", "page 1", "c", "d"]
