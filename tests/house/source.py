"""The project's source files as modules with their syntax trees."""

from __future__ import annotations

import ast
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


def read(path: Path) -> Module:
    parts = path.relative_to(ROOT).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    return Module(name, path, ast.parse(path.read_text(encoding="utf-8"), path.name))
