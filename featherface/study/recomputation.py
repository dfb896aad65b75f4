"""The command that recomputes each of the study's numbers."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from featherface.config import DEFAULT_INPUT_SIZE
from featherface.profiling.latency import LatencyResult

__all__ = [
    "ATTRIBUTES_COMMAND",
    "BLUR_COMMAND",
    "CLAIM_COMMANDS",
    "HEIGHTS_COMMAND",
    "MACS_COMMAND",
    "PARAMETERS_COMMAND",
    "PRECISION_COMMAND",
    "STUDY_COMMAND",
    "latency_command",
]

_WIDER = "--images WIDER_val/images --ground-truth eval_tools/ground_truth"
PARAMETERS_COMMAND = "featherface params"
MACS_COMMAND = f"featherface flops --size {DEFAULT_INPUT_SIZE}"
STUDY_COMMAND = "featherface study --out study"
PRECISION_COMMAND = f"featherface evaluate {_WIDER} --comparison comparison.json"
HEIGHTS_COMMAND = "featherface evaluate --manifest dev.jsonl --comparison comparison.json"
BLUR_COMMAND = f"featherface stress {_WIDER} --corruption defocus_blur"
ATTRIBUTES_COMMAND = (
    "featherface attributes --predictions found-v1.jsonl --predictions found-v2.jsonl "
    "--ground-truth eval_tools/ground_truth"
)
_PRUNING_COMMAND = (
    "featherface prune --model v2 --manifest dev.jsonl --ground-truth eval_tools/ground_truth --out v2.json"
)

# By the name of the measurement in claims.toml; a definition needs no command.
CLAIM_COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "parameters": PARAMETERS_COMMAND,
        "parameter reduction": PARAMETERS_COMMAND,
        "parameter ratio": PARAMETERS_COMMAND,
        "MACs ratio": MACS_COMMAND,
        "FLOPs over labelled FLOPs": MACS_COMMAND,
        "stored size reduction": STUDY_COMMAND,
        "int8 size": "featherface export --model v2 --precision int8 --out exports",
        "reference": "",
        "speed-up": STUDY_COMMAND,
        "mean average precision": PRECISION_COMMAND,
        "mean average precision, %": PRECISION_COMMAND,
        "efficiency ratio": PRECISION_COMMAND,
        "tolerated pruning": _PRUNING_COMMAND,
    }
)


def latency_command(latency: LatencyResult | None) -> str:
    """Return the command that repeats a benchmark, or the default benchmark where there is none."""
    if latency is None:
        return "featherface bench"
    settings = latency.settings
    return (
        f"featherface bench --sizes {settings.width} --threads {settings.threads} --runs {settings.runs} "
        f"--warmup {settings.warmup} --engine {settings.engine}"
    )
