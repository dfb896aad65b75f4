"""Names for the modules of a network, by their dotted path: what tables and diagrams show."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

__all__ = ["OTHER", "ModuleNames"]

OTHER = "Other"  # the group of a module that no prefix claims


@dataclass(frozen=True)
class ModuleNames:
    """What the modules of one network are called.

    `roles`, `levels` and `diagram` map a regular expression for the whole path to a name, in which {} stands
    for what the expression captures. Everything may be left out: a path without a name is shown as it is.
    """

    # group as shown, in the order of the data flow -> prefixes of the state-dict keys that belong to it
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)  # equal words in two models pair their layers
    levels: Mapping[str, str] = field(default_factory=dict)  # "P3" to "P5" of layers whose output is a vector
    diagram: Mapping[str, str] = field(default_factory=dict)  # text on a box of the diagram
    opened: tuple[str, ...] = ()  # modules that the diagram draws as the modules inside them

    def group_of(self, path: str) -> str:
        """Return the group of a module or parameter, or "Other"."""
        dotted = f"{path}."  # so that the module "body" matches the prefix "body."
        for group, prefixes in self.groups.items():
            if dotted.startswith(prefixes):
                return group
        return OTHER

    def role_of(self, path: str) -> str:
        """Return what the layer at `path` does, or the path itself."""
        return _first_match(self.roles, path) or path

    def level_of(self, path: str) -> str:
        """Return the pyramid level, "P3" to "P5", that the path tells, or ""."""
        return _first_match(self.levels, path)

    def diagram_name_of(self, path: str) -> str:
        """Return the text on the diagram's box of the module at `path`, or the path itself."""
        return _first_match(self.diagram, path) or path


def _first_match(names: Mapping[str, str], path: str) -> str:
    for pattern, name in names.items():
        found = _compiled(pattern).fullmatch(path)
        if found:
            return name.format(*found.groups())
    return ""


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
