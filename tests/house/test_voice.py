"""Phrases that the project's style replaced do not come back; only what a machine can judge is here."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest
from source import ROOT, Module, modules

# (pattern, what to write instead). Strings are matched with `0` in place of what an f-string puts in.
PHRASES = (
    (r"\d\s+%(?!\()", "57%"),
    (r"\b[Aa] image\b", "an image"),
    (r"(?i)picture", "photo on pages, image elsewhere"),
    (r"(?i)\bms an? (photo|image|face)", "ms per image"),
    (r"(?i)\b(images|photos|frames|faces) a second", "images/s"),
    (r"(?i)\ba (row|file|line|page|layer) a \w+", "one row per layer"),
    (r"(?i)false alarm", "false positive"),
    (r"(?i)\bV1 against V2", "V1 vs V2"),
    (r"(?i)\bsurely\b", "significant"),
    (r"(?i)interval holds 1", "the confidence interval includes 1"),
    (r"(?i)teacher (speaks|says)", "the teacher's outputs"),
    (r"(?i)\bturn about on\b", "alternately"),
    (r"(?i)side of the square", "input size"),
    (r"(?i)take it with you", "Export"),
    (r"(?i)how often which|what .* (is|are) made of|what (a|an|one) \w+ costs", "the field's own noun"),
    (r"install .?featherface-compare", "install_hint: no package index has the project"),
    (r"(?i)saves png", "nothing: the toolbar's icon says it"),
    (r"(?i)only what differs|only differences", "Show differences only"),
)
# Names that do not say what the code does.
NAMES = r"(?i)^_*(attend|tidy|settle)(_|$)|picture|lively"
_RECIPES = sorted((ROOT / "featherface" / "training" / "recipes").glob("*.toml"))
_SCRIPTS = sorted((ROOT / "featherface" / "dashboard" / "components").glob("*.js"))
PROSE = (
    *("README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md", "CITATION.cff"),
    *("assets/README.md", "benchmarks/README.md", "weights/MODEL_CARD.md"),
    *(f"featherface/dashboard/components/{path.name}" for path in _SCRIPTS),
    *(f"featherface/training/recipes/{path.name}" for path in _RECIPES),
    *("featherface/reporting/html_report.html", "featherface/export/readme.txt"),
    *("featherface/study/claims.toml", ".streamlit/config.toml"),
)


def strings(module: Module) -> Iterator[str]:
    """Yield a module's strings, docstrings included, and f-strings with `0` for each value."""
    parts = set()  # of f-strings, their format specifications included
    for node in ast.walk(module.tree):
        if isinstance(node, ast.JoinedStr) and id(node) not in parts:
            parts |= {id(part) for part in node.values}
            specifications = [
                part.format_spec for part in node.values if isinstance(part, ast.FormattedValue)
            ]
            parts |= {id(part) for each in specifications if each for part in ast.walk(each)}
            yield "".join(part.value if isinstance(part, ast.Constant) else "0" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.value


def names(module: Module) -> Iterator[str]:
    """Yield what a module calls itself and its functions, classes, parameters, fields and variables."""
    yield module.path.stem
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


@cache
def lines() -> list[tuple[str, str]]:
    """All lines of text, with the name of the module or file that they stand in."""
    texts = {name: list(strings(module)) for name, module in modules().items()}
    texts |= {name: [(ROOT / name).read_text(encoding="utf-8")] for name in PROSE}
    return [(name, line) for name, parts in texts.items() for part in parts for line in part.splitlines()]


@pytest.mark.parametrize(("pattern", "better"), PHRASES, ids=[better for _, better in PHRASES])
def test_replaced_phrases_are_gone(pattern, better):
    found = [
        f"{name}: {' '.join(line.split())[:120]!r}" for name, line in lines() if re.search(pattern, line)
    ]
    assert not found, "\n".join([f"write {better}:", *found])


def test_names_say_what_the_code_does():
    found = [
        f"{key}: {name}"
        for key, module in modules().items()
        for name in names(module)
        if re.search(NAMES, name)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ('f"{share:.0f} %"', "0 %"),
        ('"57 %"', "57 %"),
        ('"""All pictures."""', "All pictures."),
    ],
)
def test_the_patterns_see_text_wherever_it_stands(source, text):
    module = Module("example", ROOT / "example.py", ast.parse(source))
    assert list(strings(module)) == [text]
    assert any(re.search(pattern, text) for pattern, _ in PHRASES)
