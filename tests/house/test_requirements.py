"""Every requirement is pinned, in one place, and what is installed is what the pins say."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def read(file: str) -> list[Requirement]:
    lines = (line.split("#")[0].strip() for line in (ROOT / file).read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line]


CONSTRAINTS = read("constraints.txt")
LISTED = [
    *read("requirements.txt"),
    *(
        requirement
        for extra in PROJECT["optional-dependencies"].values()
        for requirement in map(Requirement, extra)
        if requirement.name != PROJECT["name"]
    ),
]


def pin(requirement: Requirement) -> str:
    (only,) = requirement.specifier
    assert (only.operator, "*" in only.version) == ("==", False)
    return only.version


@pytest.mark.parametrize("requirement", LISTED, ids=lambda requirement: requirement.name)
def test_requirement_is_pinned_as_in_the_constraints(requirement):
    assert [pin(each) for each in CONSTRAINTS if each.name == requirement.name] == [pin(requirement)]


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_constraints_name_one_version_for_each_python(python):
    environment = {"python_version": python, "python_full_version": f"{python}.0"}
    names = [each.name for each in CONSTRAINTS if each.marker is None or each.marker.evaluate(environment)]
    assert len(names) == len(set(names))


def test_messages_name_extras_that_exist():
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "featherface").rglob("*.py")]
    named = {extra for text in sources for extra in re.findall(r"install_hint\(.(\w+).\)", text)}
    assert named
    assert named <= PROJECT["optional-dependencies"].keys()


def test_installed_versions_are_the_constraints():
    """`torch` is compared without its local label: a CPU build is `2.13.0+cpu`."""
    wanted = {each.name: pin(each) for each in CONSTRAINTS if each.marker is None or each.marker.evaluate()}
    cuda = {name for name in wanted if name.startswith(("nvidia-", "cuda-"))} | {
        "triton"
    }  # not for CPU builds
    installed = {name: version(name).split("+")[0] for name in wanted.keys() - cuda}
    assert installed == {name: wanted[name] for name in installed}
