"""Choose among weights of one model on half of a development set, and report the choice on the other half."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from featherface.checkpoints import load_network, save_weights
from featherface.evaluation.average_precision import evaluate
from featherface.evaluation.ground_truth import wider_ground_truth
from featherface.evaluation.image_sets import manifest_images
from featherface.evaluation.manifest import read_manifest
from featherface.evaluation.paired_bootstrap import compare_precision
from featherface.evaluation.predictions import Prediction
from featherface.evaluation.run import Predictor, predict_images
from featherface.models import MODELS, FaceNetwork
from featherface.training.averaging import averaged_state
from featherface.training.selection import half_of


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.choose_weights", description=__doc__)
    parser.add_argument(
        "candidates", nargs="+", metavar="FILE[+FILE...]", help="weights, or files to average"
    )
    parser.add_argument("--model", required=True)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--source", default="wider_tenth")
    parser.add_argument("--ground-truth", type=Path, required=True)
    parser.add_argument("--baseline", type=Path, help="weights that the choice is compared with")
    parser.add_argument("--output", type=Path, help="write the chosen weights to this .safetensors file")
    given = parser.parse_args()
    entry = MODELS[given.model]
    truth = wider_ground_truth(given.ground_truth)
    images = manifest_images(read_manifest(given.manifest, given.source))

    def network(text: str) -> FaceNetwork:
        networks = [load_network(entry, Path(file)) for file in text.split("+")]
        networks[0].load_state_dict(averaged_state([one.state_dict() for one in networks]))
        return networks[0]

    def predictions(text: str) -> list[Prediction]:
        return predict_images(Predictor(network(text)), images)

    scored, best = {}, -1.0
    for candidate in given.candidates:
        found = predictions(candidate)
        scores = evaluate(half_of(found, "selection"), truth).scores()
        mean = sum(scores.values()) / len(scores)
        print(json.dumps({"candidate": candidate, "half": "selection", "mean": mean, **scores}), flush=True)
        if mean > best:
            best, chosen, scored = mean, candidate, found
    reporting = half_of(scored, "reporting")
    scores = evaluate(reporting, truth).scores()
    print(json.dumps({"chosen": chosen, "half": "reporting", "images": len(reporting), **scores}))
    if given.baseline:
        before = half_of(predictions(str(given.baseline)), "reporting")
        for subset, difference in compare_precision(before, reporting, truth).subsets.items():
            print(
                f"{subset}: {difference.first:.4f} -> {difference.second:.4f}, "
                f"95% interval of the difference {difference.interval}"
            )
    if given.output:
        note = {"note": f"mean of {chosen}", "selected_on": "every second development image, from the first"}
        save_weights(network(chosen), entry, given.output, note)
    return 0


if __name__ == "__main__":
    sys.exit(main())
