"""Every error of the project derives from one base class, so that one `except` turns it into a sentence."""

from __future__ import annotations

import ast

import pytest
from source import Module, modules

from featherface.errors import FeatherFaceError

BASE = FeatherFaceError.__name__


def error_classes(module: Module) -> list[ast.ClassDef]:
    return [
        node
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef) and node.name.endswith("Error") and node.name != BASE
    ]


def project_errors() -> dict[str, list[str]]:
    """Return the base classes of every *Error class in featherface, by module and name."""
    return {
        f"{name}.{node.name}": [ast.unparse(base) for base in node.bases]
        for name, module in modules().items()
        if name.startswith("featherface")
        for node in error_classes(module)
    }


def test_every_error_has_the_projects_base_class():
    errors = project_errors()
    known = {BASE, *(name.rpartition(".")[2] for name in errors)}

    assert errors
    assert {name: bases for name, bases in errors.items() if not known & set(bases)} == {}


@pytest.mark.parametrize(("bases", "found"), [("ValueError", True), (BASE, False)])
def test_an_error_with_another_base_is_seen(bases, found, tmp_path):
    module = Module("example", tmp_path, ast.parse(f"class DamagedError({bases}): ..."))
    (node,) = error_classes(module)

    assert (BASE not in [ast.unparse(base) for base in node.bases]) == found
