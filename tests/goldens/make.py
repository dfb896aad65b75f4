"""Make the golden files of this folder: `python -m tests.goldens.make`; needs ../shared.

Nothing is written unless the networks reproduce the outputs of the reference models in ../shared, and every
parameter of the seeded networks shows in their outputs.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from featherface.checkpoints import load_network
from featherface.config import CANDIDATE_FLOOR, PIXEL_MEAN_BGR
from featherface.models import MODELS, FaceNetwork
from tests.goldens.seeded import SIZES, seeded_network, seeded_pixels

FOLDER = Path(__file__).resolve().parent
SHARED = FOLDER.parents[2] / "shared"
OUTPUTS = ("loc", "conf", "landm")
PUBLISHED = "v1_published_solvay1927.npz"
TOLERANCE = 2e-3  # of raw outputs in float32, as in tests/models/test_golden.py


def run(network: FaceNetwork, pixels: Tensor) -> tuple[Tensor, ...]:
    """Return the outputs without the batch axis."""
    with torch.inference_mode():
        return tuple(output[0] for output in network(pixels))


def check_against_reference() -> None:
    """Raise ValueError unless both networks give the reference models' outputs."""
    golden = np.load(SHARED / "reference" / PUBLISHED)
    image = cv2.imread(str(SHARED / "reference/solvay1927.png"))
    pixels = cv2.resize(image, (640, 640)).astype(np.float32) - np.float32(PIXEL_MEAN_BGR)
    published = load_network(MODELS["v1"], SHARED / "checkpoints/featherface_v1_published.pth")
    pairs = zip(
        run(published, torch.from_numpy(pixels).permute(2, 0, 1)[None]),
        (golden[f"raw_{name}"] for name in OUTPUTS),
        strict=True,
    )
    _require_equal(pairs, "V1")
    golden = np.load(SHARED / "reference/v2_seeded_golden.npz")
    seeded = load_network(MODELS["v2"], SHARED / "reference/v2_seeded.pth")
    for size in ("640x640", "352x480"):
        pixels = torch.from_numpy(golden[f"input_{size}"].astype(np.float32))
        pairs = zip(run(seeded, pixels), (golden[f"{name}_{size}"] for name in OUTPUTS), strict=True)
        _require_equal(pairs, f"V2 at {size}")


def _require_equal(pairs: object, what: str) -> None:
    worst = max(float(np.abs(ours.numpy() - theirs).max()) for ours, theirs in pairs)
    print(f"{what}: largest difference from the reference {worst:.1e}")
    if worst > TOLERANCE:
        raise ValueError(f"{what} differs from the reference by {worst}")


def check_that_every_parameter_shows(network: FaceNetwork) -> None:
    """Raise ValueError when a change of one parameter tensor leaves the outputs as they are."""
    pixels = seeded_pixels(*SIZES[0])
    before = run(network, pixels)
    for name, parameter in network.named_parameters():
        kept = parameter.data.clone()
        factors = torch.linspace(
            0.9, 1.1, kept.numel(), dtype=kept.dtype
        )  # all alike, fusion divides them out
        parameter.data = kept * factors.view_as(kept)
        change = max(
            float((new - old).abs().max()) for new, old in zip(run(network, pixels), before, strict=True)
        )
        parameter.data = kept
        if change < 1e-4:
            raise ValueError(f"{name} does not show in the outputs: {change}")


def write_seeded_outputs() -> None:
    """Write the outputs of the seeded networks at `SIZES` as float32."""
    for key in ("v1", "v2"):
        network = seeded_network(MODELS[key])
        check_that_every_parameter_shows(network)
        arrays = {}
        for height, width in SIZES:
            for name, output in zip(OUTPUTS, run(network, seeded_pixels(height, width)), strict=True):
                arrays[f"{name}_{height}x{width}"] = output.numpy().astype(np.float32)
        np.savez_compressed(FOLDER / f"{key}_seeded.npz", **arrays)


def write_published_candidates() -> None:
    """Write the published V1's anchors above the floor on one photo, and the reference pipeline's faces."""
    golden = np.load(SHARED / "reference" / PUBLISHED)
    (chosen,) = np.nonzero(golden["raw_conf"][:, 1] > CANDIDATE_FLOOR)
    np.savez_compressed(
        FOLDER / "v1_published_candidates.npz",
        anchors=chosen.astype(np.int32),
        loc=golden["raw_loc"][chosen],
        conf=golden["raw_conf"][chosen],
        landm=golden["raw_landm"][chosen],
        boxes=golden["stretch640_boxes"],
        scores=golden["stretch640_scores"],
        landmarks=golden["stretch640_landmarks"],
        photo_size=np.array(cv2.imread(str(SHARED / "reference/solvay1927.png")).shape[1::-1]),
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    check_against_reference()
    write_seeded_outputs()
    write_published_candidates()
    for key in ("v1", "v2"):
        shutil.copyfile(SHARED / f"reference/state_dict_{key}.tsv", FOLDER / f"state_dict_{key}.tsv")
