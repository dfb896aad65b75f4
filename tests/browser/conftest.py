"""A browser, and a dashboard whose models are untrained but do find a few dozen things."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from chromium import SAMPLE, open_browser, programs
from selenium.webdriver.remote.webdriver import WebDriver

from benchmarks.visitor import served
from featherface.checkpoints import save_weights
from featherface.detection.images import decode_photo
from featherface.detection.preprocess import prepare
from featherface.models import MODELS, ModelEntry

_CLASS_BIASES = (
    "ClassHead.0.conv1x1.bias",
    "ClassHead.1.conv1x1.bias",
    "ClassHead.2.conv1x1.bias",
    "cls_head.bias",
)
_FOUND = 40  # anchors of the sample below that score above one half


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of seeded weights for every model, the bias of the class heads set for `_FOUND`."""
    folder = tmp_path_factory.mktemp("weights")
    for entry in MODELS.values():
        save_weights(_lively_network(entry), entry, folder / entry.weights, {"recipe": "seeded, for a test"})
    return folder


def _lively_network(entry: ModelEntry) -> torch.nn.Module:
    torch.manual_seed(1)
    network = entry.builder().eval()
    with torch.inference_mode():
        _, scores, _ = network(prepare(decode_photo(SAMPLE)).tensor)
        odds = torch.logit(scores[0, :, 1].double(), eps=1e-12)
        threshold = odds.topk(_FOUND).values[-1]
        for name, parameter in network.named_parameters():
            if name.endswith(_CLASS_BIASES):
                parameter[1::2] -= threshold  # of "face", for both anchors
    return network


@pytest.fixture(scope="session")
def address(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the dashboard runs for this session."""
    with served(weights, tmp_path_factory.mktemp("server") / "log.txt") as dashboard:
        yield dashboard.address


@pytest.fixture(scope="session")
def _chromium() -> None:
    """Chromium and its driver are there; a machine on which they cannot be installed skips, but CI fails."""
    if programs() is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium and its driver could not be installed.")
        pytest.skip("needs Chromium and its driver")


@pytest.fixture
def window(_chromium: None, tmp_path: Path) -> Iterator[WebDriver]:
    """A new browser; its downloads go to the test's `tmp_path`."""
    with open_browser(tmp_path) as opened:
        yield opened


@pytest.fixture(scope="module")
def one_window(_chromium: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    """A browser for all tests of a module, of which each opens its own page."""
    with open_browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened
