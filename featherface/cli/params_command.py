"""`featherface params`: parameters by group."""

from __future__ import annotations

import argparse

from featherface.cli.common import Command, add_model_option, model_keys, print_json

__all__ = ["COMMAND"]


def _run(arguments: argparse.Namespace) -> int:
    from featherface.models import MODELS
    from featherface.profiling.parameters import group_counts

    groups = {key: dict(group_counts(key)) for key in model_keys(arguments.model)}
    counts = {key: {"total": sum(group.values()), "groups": group} for key, group in groups.items()}
    if arguments.json:
        print_json(counts)
        return 0
    for key, group in groups.items():
        print(f"{MODELS[key].name}: {sum(group.values()):,} parameters")
        for name, parameters in group.items():
            print(f"  {name:<10}{parameters:>9,}")
    return 0


COMMAND = Command(
    summary="count parameters by group",
    description="Count the parameters of each model by group.\n\n"
    'JSON: {MODEL: {"total": N, "groups": {"Backbone": N, "CBAM": N, ...}}, ...}',
    add_options=add_model_option,
    run=_run,
)
