"""The registry: what a model's entry names, and that nothing else has to know of a further model."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from featherface.config import WEIGHTS_DIR
from featherface.models import MODELS, group_names, model_pairs
from featherface.models.module_names import OTHER, ModuleNames
from featherface.profiling.graph import INPUT, OUTPUT, network_graph
from featherface.profiling.layers import layer_table
from tests.third_model import register_third_model

PACKAGE = WEIGHTS_DIR.parent / "featherface"


def test_keys_files_and_colours_are_unique() -> None:
    for attribute in ("key", "short_name", "name", "weights", "colour"):
        assert len({getattr(entry, attribute) for entry in MODELS.values()}) == len(MODELS)
    assert all(key == entry.key for key, entry in MODELS.items())


@pytest.mark.parametrize("key", MODELS)
def test_every_module_of_our_models_has_a_name(key: str) -> None:
    names = MODELS[key].names
    layers = layer_table(key, 64, 64)
    assert [layer.name for layer in layers if layer.role == layer.name] == []
    assert {layer.group for layer in layers} == set(names.groups)
    vectors = [layer for layer in layers if len(layer.output_shape) == 2]
    assert {layer.level for layer in vectors} == {"P3", "P4", "P5"}
    stages = network_graph(key, 64, 64).stages
    assert [stage.path for stage in stages if stage.name == stage.path] == []


@pytest.mark.parametrize(
    ("path", "group", "role", "level", "box"),
    [
        ("neck.0.conv", "Neck", "cell 0: convolution", "", "neck.0.conv"),
        ("neck.0", "Neck", "neck.0", "", "Cell 0"),
        ("neck", "Neck", "neck", "", "neck"),  # the module itself belongs to its prefix
        ("necklace", OTHER, "necklace", "", "necklace"),
        ("gate.4.mlp", OTHER, "gate.4.mlp", "P4", "gate.4.mlp"),
    ],
)
def test_names_by_path(path: str, group: str, role: str, level: str, box: str) -> None:
    names = ModuleNames(
        groups={"Neck": ("neck.",)},
        roles={r"neck\.(\d)\.conv": "cell {}: convolution"},
        levels={r"gate\.(\d)\..*": "P{}"},
        diagram={r"neck\.(\d)": "Cell {}"},
    )
    assert names.group_of(path) == group
    assert names.role_of(path) == role
    assert names.level_of(path) == level
    assert names.diagram_name_of(path) == box


def test_a_third_model_needs_only_its_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = group_names()
    third = register_third_model(monkeypatch)
    assert model_pairs() == (("v1", "v2"), ("v1", third.key), ("v2", third.key))
    assert group_names() == groups
    layers = layer_table(third.key, 64, 64)
    assert all(layer.role == layer.name for layer in layers)  # no names given: the path stands for itself
    assert {layer.group for layer in layers} == {OTHER}
    stages = network_graph(third.key, 64, 64).stages
    assert all(stage.name == stage.path for stage in stages if stage.path not in (INPUT, OUTPUT))


def _run_at_import(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes below `node` that run when the module is imported: function bodies do not."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            defaults = [default for default in child.args.kw_defaults if default is not None]
            for part in (*child.decorator_list, *child.args.defaults, *defaults):
                yield from (part, *_run_at_import(part))
        elif not isinstance(child, ast.Lambda):
            yield from (child, *_run_at_import(child))


def _registry_reads(path: Path) -> Iterator[str]:
    module = ast.parse(path.read_text(encoding="utf-8"))
    for node in _run_at_import(module):
        if isinstance(node, ast.Name) and node.id in ("MODELS", "group_names", "model_pairs"):
            yield f"{path.relative_to(PACKAGE)}:{node.lineno}"


def test_no_module_reads_the_registry_when_it_is_imported() -> None:
    """What is computed from MODELS at import time would not know a model that is registered later."""
    paths = set(PACKAGE.rglob("*.py")) - {PACKAGE / "models/registry.py"}
    assert [place for path in sorted(paths) for place in _registry_reads(path)] == []
