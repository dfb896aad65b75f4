"""The drawing in the README's "Where things are" is true."""

from __future__ import annotations

import re

from source import ROOT, edges, modules, room

DRAWING = re.search(
    r"^## Where things are\n(.*?)^(?:## |\Z)", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S
)[1]
# A path begins a line of the drawing, or follows another one there.
PATHS = re.findall(r"^ {4} *((?:[\w./-]+(?:, +|  ?))*[\w./-]+)  ", DRAWING, re.M)
LINES = [[path.rstrip("/") for path in re.split(r"[, ]+", line)] for line in PATHS]
DRAWN = {path for line in LINES for path in line}


def test_everything_drawn_exists():
    assert {path for path in DRAWN if not (ROOT / path).exists()} == set()


def test_every_package_and_folder_is_drawn():
    packages = {f"featherface/{file.parent.name}" for file in (ROOT / "featherface").glob("*/__init__.py")}
    folders = {"pages", "weights", "assets", "tests", "benchmarks", "docs"}
    assert (packages | folders) - DRAWN == set()


def test_imports_follow_the_drawing():
    """Each line imports from the lines below it only."""
    line_of = {
        path.removesuffix(".py").replace("/", "."): row for row, line in enumerate(LINES) for path in line
    }
    upward = {
        f"{name} -> {target}"
        for name, module in modules().items()
        for target in edges(module)
        if {room(name), room(target)} <= line_of.keys() and line_of[room(target)] < line_of[room(name)]
    }
    assert upward == set()
