"""Choose weights of one model on half of a development set, report the choice on the other half, finish it.

Each candidate is a file, or the mean of several, recalibrated as `--scale`, `--log-odds` and `--grow` say.
The record of the written weights is the last file's, with what was done since. A single candidate needs no
development set: it is finished and written.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from featherface.checkpoints import inspect_checkpoint, load_network, record_path, save_weights
from featherface.checkpoints.records import read_record
from featherface.evaluation.average_precision import evaluate
from featherface.evaluation.ground_truth import GroundTruth, wider_ground_truth
from featherface.evaluation.image_sets import EncodedImage, manifest_images
from featherface.evaluation.manifest import read_manifest
from featherface.evaluation.paired_bootstrap import compare_precision
from featherface.evaluation.predictions import Prediction
from featherface.evaluation.run import Predictor, predict_images
from featherface.models import MODELS, FaceNetwork, ModelEntry
from featherface.training.averaging import averaged_state, recalibrated_state, resized_state
from featherface.training.selection import half_of


def main(argv: Sequence[str] | None = None) -> int:
    parser = _parser()
    given = parser.parse_args(argv)
    if (given.manifest is None) != (given.ground_truth is None):
        parser.error("scoring needs both --manifest and --ground-truth")
    if given.manifest is None and (len(given.candidates) > 1 or given.baseline or not given.output):
        parser.error("without --manifest, give one candidate and --output, and no --baseline")
    entry = MODELS[given.model]
    chosen, provenance = given.candidates[0], {}
    if given.manifest is not None:
        truth = wider_ground_truth(given.ground_truth)
        images = manifest_images(read_manifest(given.manifest, given.source))
        chosen, found = _choose(given, entry, images, truth)
        _report(given, entry, images, truth, half_of(found, "reporting"))
        provenance = {"selected_on": "every second development image, from the first"}
    if given.output:
        finishing = _finishing_record(chosen.split("+"), entry, given)
        save_weights(_finished_network(chosen, entry, given), entry, given.output, finishing | provenance)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.choose_weights", description=__doc__)
    parser.add_argument(
        "candidates",
        nargs="+",
        metavar="FILE[+FILE...]",
        help="weights, or files to average; name a file twice for twice its share",
    )
    parser.add_argument("--model", required=True, choices=list(MODELS))
    parser.add_argument("--scale", type=float, default=1.0, help="multiply the face log-odds by this first")
    parser.add_argument("--log-odds", type=float, default=0.0, help="then lower them by this")
    parser.add_argument(
        "--grow",
        type=float,
        nargs=4,
        metavar=("W16", "H16", "W32", "H32"),
        help="enlarge boxes of the finest level: width and height, for anchors of 16 and of 32 pixels",
    )
    parser.add_argument("--manifest", type=Path, help="labelled development images")
    parser.add_argument("--source", default="wider_tenth", help="their source in the manifest")
    parser.add_argument("--ground-truth", type=Path, help="WIDER FACE's official ground truth")
    parser.add_argument("--baseline", type=Path, help="weights that the choice is compared with")
    parser.add_argument("--output", type=Path, help="write the finished weights to this .safetensors file")
    parser.add_argument("--note", help="note in their record (default: the last file's)")
    return parser


def _choose(
    given: argparse.Namespace, entry: ModelEntry, images: Sequence[EncodedImage], truth: GroundTruth
) -> tuple[str, list[Prediction]]:
    """Return the candidate with the highest mean score on the selection half, and all its predictions."""
    best, chosen, kept = -1.0, "", []
    for candidate in given.candidates:
        found = predict_images(Predictor(_finished_network(candidate, entry, given)), images)
        scores = evaluate(half_of(found, "selection"), truth).scores()
        mean = sum(scores.values()) / len(scores)
        print(json.dumps({"candidate": candidate, "half": "selection", "mean": mean, **scores}), flush=True)
        if mean > best:
            best, chosen, kept = mean, candidate, found
    return chosen, kept


def _report(
    given: argparse.Namespace,
    entry: ModelEntry,
    images: Sequence[EncodedImage],
    truth: GroundTruth,
    reporting: Sequence[Prediction],
) -> None:
    """Print the choice's scores on the reporting half, and how they differ from the baseline's."""
    scores = evaluate(reporting, truth).scores()
    print(json.dumps({"half": "reporting", "images": len(reporting), **scores}))
    if given.baseline is None:
        return
    before = half_of(predict_images(Predictor(load_network(entry, given.baseline)), images), "reporting")
    for subset, difference in compare_precision(before, reporting, truth).subsets.items():
        print(
            f"{subset}: {difference.first:.4f} -> {difference.second:.4f}, "
            f"95% interval of the difference {difference.interval}"
        )


def _finished_network(candidate: str, entry: ModelEntry, given: argparse.Namespace) -> FaceNetwork:
    """Return the mean of the candidate's files, recalibrated and with its boxes resized."""
    networks = [load_network(entry, Path(file)) for file in candidate.split("+")]
    state = averaged_state([one.state_dict() for one in networks])
    state = recalibrated_state(state, given.log_odds, scale=given.scale)
    if given.grow:
        state = resized_state(state, [(given.grow[0], given.grow[1]), (given.grow[2], given.grow[3])])
    networks[0].load_state_dict(state)
    return networks[0]


def _finishing_record(
    files: Sequence[str], entry: ModelEntry, given: argparse.Namespace
) -> dict[str, object]:
    """Return the last file's record, without its scores, and how the finished weights were made from it."""
    last = Path(files[-1])
    provenance = dict(read_record(last, entry).provenance) if record_path(last).exists() else {}
    provenance.pop("development_ap", None)
    if given.note is not None:
        provenance["note"] = given.note
    return provenance | {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "mean_of": [
            {"file": Path(file).name, "sha256": inspect_checkpoint(Path(file), entry).sha256}
            for file in files
        ],
        "log_odds_scale": given.scale,
        "log_odds_lowered_by": given.log_odds,
        "finest_boxes_grown_by": given.grow or [1.0] * 4,
    }


if __name__ == "__main__":
    sys.exit(main())
