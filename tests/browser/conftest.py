"""A browser, and a dashboard with seeded, untrained models that still find a few dozen boxes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from chromium import ROOT, SAMPLE, SAMPLES, camera_switches, find_programs, open_browser, start_afresh
from selenium.webdriver.remote.webdriver import WebDriver

from benchmarks.visitor import served
from featherface.checkpoints import save_weights
from featherface.detection.images import decode_photo
from featherface.detection.preprocess import prepare
from featherface.engines.pytorch_engine import PyTorchEngine
from featherface.models import MODELS, ModelEntry

_CLASS_BIASES = (
    "ClassHead.0.conv1x1.bias",
    "ClassHead.1.conv1x1.bias",
    "ClassHead.2.conv1x1.bias",
    "cls_head.bias",
)
_FOUND = 40  # anchors of the sample that score above one half
# The benchmark that the first visit to the Overview starts takes longer than a test.
_SHORT_BENCHMARK = """
from dataclasses import replace
from featherface.study import summary
rounds = summary.rounds
summary.rounds = lambda threads, *, quick: replace(
    rounds(threads, quick=quick), **({"runs": 2, "warmup": 0} if quick else {})
)
"""


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write seeded weights of every model; the class heads' bias makes them find `_FOUND` boxes."""
    folder = tmp_path_factory.mktemp("weights")
    for entry in MODELS.values():
        save_weights(_seeded_network(entry), entry, folder / entry.weights, {"recipe": "seeded, for a test"})
    return folder


def _seeded_network(entry: ModelEntry) -> torch.nn.Module:
    torch.manual_seed(1)
    network = entry.builder().eval()
    with torch.inference_mode():
        scores = PyTorchEngine(network).run(prepare(decode_photo(SAMPLE)).image[None]).conf
        odds = torch.logit(torch.from_numpy(scores[0, :, 1]).double(), eps=1e-12)
        threshold = odds.topk(_FOUND).values[-1]
        for name, parameter in network.named_parameters():
            if name.endswith(_CLASS_BIASES):
                parameter[1::2] -= threshold  # the "face" logits of both anchors
    return network


@pytest.fixture(scope="session")
def address(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run the dashboard with those weights and return its address."""
    log = tmp_path_factory.mktemp("server") / "log.txt"
    with served(weights, log, _SHORT_BENCHMARK) as dashboard:
        yield dashboard.address


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run the dashboard with the shipped weights below a path, as behind a proxy, and return its address."""
    log = tmp_path_factory.mktemp("server") / "log.txt"
    with served(ROOT / "weights", log, _SHORT_BENCHMARK, base_path="tools/faces") as dashboard:
        yield dashboard.address


@pytest.fixture(scope="session")
def _chromium() -> None:
    """Skip where Chromium or its driver is missing; in CI, fail."""
    if find_programs() is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium and its driver are missing; `make chromium` installs them.")
        pytest.skip("needs Chromium and its driver (`make chromium`)")


@pytest.fixture(scope="session")
def _browser(_chromium: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    """Open one browser, with a camera, for all tests of this process."""
    folder = tmp_path_factory.mktemp("browser")
    with open_browser(folder, switches=camera_switches(folder, SAMPLES / "eileen_collins.jpg")) as opened:
        yield opened


@pytest.fixture
def window(_browser: WebDriver, tmp_path: Path) -> WebDriver:
    """Return a browser that remembers nothing of earlier tests; its downloads go to the test's `tmp_path`."""
    start_afresh(_browser, tmp_path)
    return _browser
