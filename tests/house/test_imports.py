"""The floor plan holds: no module imports upward or in a circle, and each library stays on its floors."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules

from source import Module, benchmark_modules, edges, imported, modules, own, room

FLOORS = {
    "featherface": 1,
    "featherface.config": 1,
    "featherface.errors": 1,
    "featherface.files": 1,
    "featherface.engines": 2,
    "featherface.models": 2,
    "featherface.checkpoints": 3,
    "featherface.detection": 3,
    "featherface.export": 3,
    "featherface.evaluation": 4,
    "featherface.profiling": 4,
    "featherface.robustness": 4,
    "featherface.video": 4,
    "featherface.study": 5,
    "featherface.training": 5,
    "featherface.serving": 6,
    "featherface.cli": 7,
    "featherface.reporting": 7,
    "featherface.__main__": 8,
    "featherface.dashboard": 8,
    "pages": 9,
    "app": 9,
}
INTERNALS = "featherface.dashboard.server.streamlit_internals"
PUBLIC_STREAMLIT = {"streamlit", "streamlit.components.v2", "streamlit.errors", "streamlit.typing"}
STREAMLIT_SUBMODULES = {
    f"streamlit.{module.name}" for module in iter_modules([str(Path(find_spec("streamlit").origin).parent)])
}
PUBLIC_PATCHES = {"PIL.Image.MAX_IMAGE_PIXELS"}  # Pillow documents it as a setting
LIBRARIES = {"streamlit", "starlette", "uvicorn", "PIL"}
EXTRAS = {"distributed", "thop", "openvino", "reportlab", "pptx"}  # of pyproject.toml
PAGE_LINES = 150


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def private_parts(module: Module) -> Iterator[str]:
    """Yield what a module uses of LIBRARIES that is private, and what it patches in them."""
    names = {}  # in this module -> what it is
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    libraries = {name: source for name, source in names.items() if source.split(".")[0] in LIBRARIES}
    yield from (source for source in libraries.values() if not is_public(source))
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and (source := libraries.get(ast.unparse(node).split(".")[0])):
            patched = isinstance(node.ctx, ast.Store) and f"{source}.{node.attr}" not in PUBLIC_PATCHES
            if node.attr.startswith("_") or patched:
                yield ast.unparse(node)


def is_public(source: str) -> bool:
    """Say whether an imported name is public; of Streamlit only a few modules are."""
    home, _, last = source.rpartition(".")
    if source.split(".")[0] != "streamlit" or source in PUBLIC_STREAMLIT:
        return not last.startswith("_")
    return home in PUBLIC_STREAMLIT and f"{home}.{last}" not in STREAMLIT_SUBMODULES


def model_keys(module: Module) -> Iterator[str]:
    """Yield the strings that name one of the two models by its key: "v1", "conf_v2", "found-v1.jsonl"."""
    for node in ast.walk(module.tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and re.search(r"^(\w+_)?v[12]$|[-_]v[12]\.", node.value)
        ):
            yield f"{node.value!r} in line {node.lineno}"


def offenders(find: Callable[[Module], Iterable[str]], chosen: Iterable[str]) -> dict[str, list[str]]:
    """Return what `find` yields for each of the chosen modules that it yields something for."""
    everything = modules() | benchmark_modules()
    return {name: found for name in chosen if (found := sorted(find(everything[name])))}


def test_every_package_has_a_floor():
    assert {room(name) for name in modules()} <= FLOORS.keys()


def test_no_import_runs_upward():
    def upward(module: Module) -> list[str]:
        return [target for target in edges(module) if FLOORS[room(target)] > FLOORS[room(module.name)]]

    assert offenders(upward, modules()) == {}


def test_no_modules_import_in_a_circle():
    assert circle({name: edges(module) for name, module in modules().items()}) == []


def test_no_packages_import_in_a_circle():
    """Packages of one floor may import each other, but in one direction only."""
    graph: dict[str, set[str]] = {}
    for name, module in modules().items():
        graph.setdefault(room(name), set()).update(room(target) for target in edges(module))
    assert circle({name: targets - {name, "featherface"} for name, targets in graph.items()}) == []


def test_streamlit_is_imported_by_the_dashboard_alone():
    def streamlit(module: Module) -> list[str]:
        return [name for name in imported(module) if name.split(".")[0] == "streamlit"]

    below = [name for name in modules() if FLOORS[room(name)] < FLOORS["featherface.dashboard"]]
    assert offenders(streamlit, below) == {}


def test_the_dashboard_and_the_command_line_start_without_the_extras():
    loaded, waiting = set(), {"featherface.cli.main", *(name for name in modules() if FLOORS[room(name)] > 7)}
    while waiting:
        loaded |= waiting
        imports = {own(name) for module in waiting for name in imported(modules()[module], at_start=True)}
        packages = {name.rpartition(".")[0] for name in waiting if "." in name}
        waiting = (imports | packages) & modules().keys() - loaded

    def extras(module: Module) -> list[str]:
        return [name for name in imported(module, at_start=True) if name.split(".")[0] in EXTRAS]

    assert offenders(extras, loaded) == {}


def test_private_parts_of_libraries_are_used_in_one_module_alone():
    assert list(offenders(private_parts, modules())) == [INTERNALS]


def test_module_names_are_unique():
    names = Counter(
        name.rpartition(".")[2]
        for name, module in (modules() | benchmark_modules()).items()
        if name.startswith(("featherface.", "benchmarks.")) and not module.is_package
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_names_of_test_files_are_unique():
    """Without packages, pytest imports a test file by its name alone and cannot collect two of one name."""
    names = Counter(path.name for path in Path(__file__).parents[1].rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []


def test_models_are_named_in_the_registry_and_the_study_alone():
    """A third model is one entry of the registry; the study is about these two."""
    others = [
        name
        for name in modules() | benchmark_modules()
        if name != "featherface.models.registry" and room(name) != "featherface.study"
    ]
    assert offenders(model_keys, others) == {}


def test_every_page_can_copy_its_link():
    buttons = {
        f"featherface.dashboard.components.page_title.{name}" for name in ("show_title", "show_copy_link")
    }
    pages = [module for name, module in modules().items() if name.startswith("pages.")]
    assert pages
    assert [page.name for page in pages if buttons.isdisjoint(imported(page))] == []


def test_pages_are_thin():
    lines = {
        name: len(module.path.read_text(encoding="utf-8").splitlines())
        for name, module in modules().items()
        if name.startswith("pages.")
    }
    assert {name: count for name, count in lines.items() if count > PAGE_LINES} == {}
