"""The networks compared with the outputs of the reference models."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from featherface.checkpoints import load_network
from featherface.config import PIXEL_MEAN_BGR
from featherface.detection.anchors import anchors
from featherface.models import MODELS
from tests.goldens.seeded import SIZES, seeded_network, seeded_pixels

GOLDENS = Path(__file__).resolve().parents[1] / "goldens"
GROUP_PARAMETERS = {
    "v1": (213_072, 13_568, 112_606, 246_885, 6_240),
    "v2": (213_072, 6_600, 26_068, 7_248, 3_168),
}


@pytest.fixture(scope="module")
def published_v1(shared: Path) -> nn.Module:
    return load_network(MODELS["v1"], shared / "checkpoints/featherface_v1_published.pth")


@pytest.mark.parametrize(("key", "expected"), GROUP_PARAMETERS.items())
def test_parameters_by_group(key: str, expected: tuple[int, ...]) -> None:
    entry = MODELS[key]
    parameters = dict(entry.builder().named_parameters())
    for prefixes, count in zip(entry.names.groups.values(), expected, strict=True):
        assert sum(p.numel() for n, p in parameters.items() if n.startswith(prefixes)) == count
    assert sum(p.numel() for p in parameters.values()) == sum(expected)


@pytest.mark.parametrize("key", GROUP_PARAMETERS)
def test_state_dict_is_that_of_the_reference(key: str) -> None:
    table = (GOLDENS / f"state_dict_{key}.tsv").read_text().splitlines()
    expected = {name: (shape, dtype) for name, shape, dtype in (line.split("\t") for line in table)}
    state = MODELS[key].builder().state_dict()
    assert list(state) == list(expected)
    for name, tensor in state.items():
        shape, dtype = "x".join(map(str, tensor.shape)), str(tensor.dtype).removeprefix("torch.")
        assert (shape or expected[name][0], dtype) == expected[name]


@pytest.mark.parametrize("key", GROUP_PARAMETERS)
def test_seeded_outputs(key: str) -> None:
    """In float64, so that the tolerance is that of the file and not that of the order of sums."""
    network, golden = seeded_network(MODELS[key]), np.load(GOLDENS / f"{key}_seeded.npz")
    for height, width in SIZES:
        with torch.inference_mode():
            outputs = network(seeded_pixels(height, width))
        for name, output in zip(("loc", "conf", "landm"), outputs, strict=True):
            expected = golden[f"{name}_{height}x{width}"]
            np.testing.assert_allclose(output[0].numpy(), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("key", GROUP_PARAMETERS)
def test_small_goldens_are_taken_from_the_reference(shared: Path, key: str) -> None:
    """The committed tables and candidates are those of the large reference files."""
    name = f"state_dict_{key}.tsv"
    assert (GOLDENS / name).read_bytes() == (shared / "reference" / name).read_bytes()
    small, large = (
        np.load(GOLDENS / "v1_published_candidates.npz"),
        np.load(shared / "reference/v1_published_solvay1927.npz"),
    )
    for output in ("loc", "conf", "landm"):
        np.testing.assert_array_equal(small[output], large[f"raw_{output}"][small["anchors"]])
    for output in ("boxes", "scores", "landmarks"):
        np.testing.assert_array_equal(small[output], large[f"stretch640_{output}"])


def differences(outputs: tuple[Tensor, ...], golden: np.lib.npyio.NpzFile, form: str) -> dict[str, float]:
    names = ("loc", "conf", "landm")
    return {
        name: float(np.abs(output[0].numpy() - golden[form.format(name)]).max())
        for name, output in zip(names, outputs, strict=True)
    }


@pytest.mark.parametrize("photo", ["astronaut", "solvay1927"])
def test_published_v1_outputs(shared: Path, published_v1: nn.Module, photo: str) -> None:
    stretched = cv2.resize(cv2.imread(str(shared / f"reference/{photo}.png")), (640, 640))
    pixels = torch.from_numpy(stretched.astype(np.float32) - np.float32(PIXEL_MEAN_BGR))
    with torch.inference_mode():
        outputs = published_v1(pixels.permute(2, 0, 1).unsqueeze(0))
    golden = np.load(shared / f"reference/v1_published_{photo}.npz")
    worst = differences(outputs, golden, "raw_{}")
    assert worst["loc"] < 2e-3
    assert worst["conf"] < 1e-4
    assert worst["landm"] < 2e-3


@pytest.mark.parametrize("size", ["640x640", "352x480"])
def test_seeded_v2_outputs(shared: Path, size: str) -> None:
    network = load_network(MODELS["v2"], shared / "reference/v2_seeded.pth")
    golden = np.load(shared / "reference/v2_seeded_golden.npz")
    pixels = torch.from_numpy(golden[f"input_{size}"].astype(np.float32))
    # The random values amplify the rounding of float32 (float64 is 1.3e-3 off the golden outputs), so that
    # the order of sums decides: channels last comes within 4e-5, the plain layout on two threads 1.5e-4.
    network = network.to(memory_format=torch.channels_last)
    with torch.inference_mode():
        outputs = network(pixels.to(memory_format=torch.channels_last))
    worst = differences(outputs, golden, f"{{}}_{size}")
    assert max(worst.values()) < 1e-4, worst


@pytest.fixture(scope="module")
def untrained() -> dict[str, nn.Module]:
    return {key: entry.builder().eval() for key, entry in MODELS.items()}


@given(height=st.integers(32, 200), width=st.integers(32, 200))
@settings(max_examples=12)
def test_anchors_match_outputs_at_any_size(untrained: dict[str, nn.Module], height: int, width: int) -> None:
    for network in untrained.values():
        with torch.inference_mode():
            loc, conf, landm = network(torch.zeros(1, 3, height, width))
        count = len(anchors(height, width))
        assert (loc.shape, conf.shape, landm.shape) == ((1, count, 4), (1, count, 2), (1, count, 10))
        torch.testing.assert_close(conf.sum(dim=-1), torch.ones(1, count))
