"""`featherface flops`: multiply-accumulates, by our own counter and by others."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from featherface.cli.common import (
    Command,
    add_input_size_option,
    add_model_option,
    model_keys,
    print_json,
)

if TYPE_CHECKING:
    from featherface.profiling.complexity import Cost

__all__ = ["COMMAND"]

_PRINTED_OPERATIONS = 1e5  # smaller operators are listed in the JSON only


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_model_option(parser)
    add_input_size_option(parser, "size of the square input in pixels")


def _run(arguments: argparse.Namespace) -> int:
    from featherface.profiling.complexity import cost, flops_report

    keys = model_keys(arguments.model)
    if arguments.json:
        print_json(flops_report(keys, arguments.size))
        return 0
    for key in keys:
        _print_cost(cost(key, arguments.size))
    return 0


def _print_cost(cost: Cost) -> None:
    from featherface.models import MODELS
    from featherface.profiling.operators import CounterName

    print(f"{MODELS[cost.key].name} at {cost.width} x {cost.height}: {_millions(cost.macs)}")
    for group in cost.groups:
        print(f"  {group.group:<46}{_millions(group.macs)}")
    for count in cost.counts:
        if count.counter is not CounterName.LAYERS:
            print(f"  {count.counter:<46}{_millions(count.macs)}")
    print(f"  {'peak activation memory':<46}{cost.memory.peak_bytes / 1e6:>9,.1f} MB")
    print("  not counted as MACs, in millions of operations:")
    for row in cost.count(CounterName.LAYERS).uncounted:
        if row.operations >= _PRINTED_OPERATIONS:
            print(f"    {row.what:<44}{row.operations / 1e6:>9,.1f}")


def _millions(macs: int) -> str:
    return f"{macs / 1e6:>9,.1f} MMACs"


COMMAND = Command(
    summary="count multiply-accumulates, by four counters",
    description="Count multiply-accumulates (MACs) with our own counter, thop with and without a rule for\n"
    "deformable convolution, and PyTorch's FlopCounterMode.\n\n"
    "One MAC is two FLOPs. What the study calls FLOPs are MACs.\n\n"
    'JSON: {MODEL: {"height", "width" (of the input, in pixels), "macs", "flops",\n'
    '  "thop_macs" (as in the study), "thop_with_rule_macs",\n'
    '  "counter_macs" (FlopCounterMode), "folded_macs" (batch norm folded), "parameters",\n'
    '  "thop_parameters", "peak_activation_bytes", "groups": {"Backbone": MACs, ...},\n'
    '  "uncounted": [{"operator", "what", "text", "calls", "operations"}, ...],\n'
    '  "uncounted_by_counter": {...}}, ...}',
    add_options=_add_options,
    run=_run,
)
