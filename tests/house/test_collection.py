"""Which tests run without the large reference outputs: all others, and none is skipped."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import conftest


@pytest.mark.parametrize(
    ("folder", "left_out"),
    [pytest.param("missing", ["large"], id="no references"), pytest.param("", [], id="references")],
)
def test_tests_of_missing_references_are_deselected(monkeypatch, tmp_path: Path, folder, left_out):
    monkeypatch.setattr(conftest, "SHARED", tmp_path / folder)
    items = [
        SimpleNamespace(name="large", fixturenames=["tmp_path", "shared"]),
        SimpleNamespace(name="small", fixturenames=["tmp_path"]),
    ]
    everything, deselected = list(items), []
    config = SimpleNamespace(hook=SimpleNamespace(pytest_deselected=lambda items: deselected.extend(items)))

    conftest.pytest_collection_modifyitems(config, items)

    assert [item.name for item in deselected] == left_out
    assert items == [item for item in everything if item not in deselected]
