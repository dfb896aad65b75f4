"""Tests use what is public: an object's private attributes may change without notice."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
from source import ROOT

TESTS = ROOT / "tests"
# functions that name an attribute by a string
PATCHES = ("setattr", "delattr", "getattr", "hasattr", "object")


def private_attributes(tree: ast.Module) -> Iterator[str]:
    """Yield the private attributes that are read, set or patched on anything but `self` and `cls`.

    Constants in capitals are exempt: a test may shorten a waiting time.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            names = [] if ast.unparse(node.value) in ("self", "cls") else [node.attr]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in PATCHES:
            texts = [arg.value for arg in node.args[:2] if isinstance(arg, ast.Constant)]
            names = [text.rpartition(".")[2] for text in texts if isinstance(text, str)]
        else:
            continue
        yield from (name for name in names if is_private(name))


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and not name.isupper()


def test_no_test_relies_on_private_attributes():
    found = {
        (path.relative_to(TESTS).as_posix(), name)
        for path in TESTS.rglob("*.py")
        for name in private_attributes(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert found == set()


@pytest.mark.parametrize(
    ("source", "names"),
    [
        pytest.param("queue._jobs", ["_jobs"], id="read"),
        pytest.param("queue._jobs = []", ["_jobs"], id="set"),
        pytest.param("self.storage._files", ["_files"], id="of an own attribute"),
        pytest.param("monkeypatch.setattr(Queue, '_run', None)", ["_run"], id="patched"),
        pytest.param("monkeypatch.setattr('package.module._run', None)", ["_run"], id="patched by its path"),
        pytest.param("self._jobs", [], id="the test's own"),
        pytest.param("queue.jobs.__len__()", [], id="public"),
        pytest.param("monkeypatch.setattr('package.module._WAIT_SECONDS', 0)", [], id="a waiting time"),
    ],
)
def test_private_attributes_are_seen(source, names):
    assert list(private_attributes(ast.parse(source))) == names
