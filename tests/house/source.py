"""The project's source files as modules with their syntax trees, and what they import."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Module:
    """One source file under its dotted name: `featherface.cli.main`, `pages.speed`, `app`."""

    name: str
    path: Path
    tree: ast.Module

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"


@cache
def modules() -> dict[str, Module]:
    """Return app.py and every module of featherface/ and pages/ by dotted name."""
    paths = [ROOT / "app.py", *(ROOT / "featherface").rglob("*.py"), *(ROOT / "pages").glob("*.py")]
    return {module.name: module for module in map(read, sorted(paths))}


@cache
def benchmark_modules() -> dict[str, Module]:
    """Return every module of benchmarks/ by dotted name; they belong to no floor."""
    return {module.name: module for module in map(read, sorted((ROOT / "benchmarks").glob("*.py")))}


def read(path: Path) -> Module:
    parts = path.relative_to(ROOT).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    return Module(name, path, ast.parse(path.read_text(encoding="utf-8"), path.name))


def room(module: str) -> str:
    """Return what a module belongs to in the floor plan: its package, or itself where it lies in none."""
    parts = module.split(".")
    return ".".join(parts[: 1 if parts[0] != "featherface" else 2])


def imported(module: Module, *, at_start: bool = False) -> Iterator[str]:
    """Yield the dotted name of everything that a module imports, `from a import b` as a.b.

    at_start: without the imports inside functions and those for the type checker alone.
    """
    package = module.name if module.is_package else module.name.rpartition(".")[0]
    for node in _run_at_start(module.tree) if at_start else ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            ancestors = package.split(".")
            base = ".".join(ancestors[: len(ancestors) + 1 - node.level]) if node.level else ""
            source = ".".join(filter(None, (base, node.module)))
            yield from (f"{source}.{alias.name}" for alias in node.names)


def own(name: str) -> str | None:
    """Return the project's module that an imported name is or lies in."""
    while name:
        if name in modules():
            return name
        name = name.rpartition(".")[0]
    return None


def edges(module: Module) -> set[str]:
    """Return the project's modules that a module imports."""
    return {target for name in imported(module) if (target := own(name)) and target != module.name}


def _run_at_start(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what runs when a module is imported."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child
        yield from _run_at_start(child)
