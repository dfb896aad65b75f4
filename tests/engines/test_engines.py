"""Every engine against PyTorch running the network as it is defined."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from featherface.engines.choice import (
    ENGINE_VARIABLE,
    ENGINES,
    default_engine,
    installed_engines,
    load_engine,
)
from featherface.engines.protocol import Engine, EngineError, Precision, Predictions, memory_errors
from featherface.models import MODELS, FaceNetwork

Reference = Callable[[str, np.ndarray], Predictions]

# odd sizes give odd pyramid levels, where V1's pooling pads differently
SIZES = (
    (32, 32),
    (33, 57),
    (64, 96),
    (97, 161),
    (100, 36),
    (129, 255),
    (160, 160),
    (35, 300),
    (213, 320),
    (427, 640),
)


@pytest.fixture(scope="module", params=installed_engines())
def engines(request: pytest.FixtureRequest, networks: Mapping[str, FaceNetwork]) -> Mapping[str, Engine]:
    return {key: load_engine(network, request.param) for key, network in networks.items()}


def assert_equal(actual: Predictions, expected: Predictions) -> None:
    # 1e-3 of an offset moves a box of 256 px by 0.03 px
    for name, tolerance in (("loc", 1e-3), ("conf", 1e-4), ("landm", 1e-3)):
        np.testing.assert_allclose(getattr(actual, name), getattr(expected, name), rtol=0, atol=tolerance)


@pytest.mark.parametrize("key", MODELS)
@pytest.mark.parametrize("size", SIZES)
def test_outputs_are_those_of_the_network(
    engines: Mapping[str, Engine],
    reference: Reference,
    noise: Callable[..., np.ndarray],
    key: str,
    size: tuple[int, int],
) -> None:
    images = noise(1, *size)
    actual = engines[key].run(images)
    assert {array.dtype for array in actual} == {np.dtype(np.float32)}
    assert_equal(actual, reference(key, images))


@pytest.mark.parametrize("key", MODELS)
def test_a_batch_equals_single_images(
    engines: Mapping[str, Engine], noise: Callable[..., np.ndarray], key: str
) -> None:
    images = noise(3, 97, 64)
    batch = engines[key].run(images)
    for index in range(3):
        single = engines[key].run(images[index : index + 1])
        assert_equal(Predictions(*(array[index : index + 1] for array in batch)), single)


@pytest.mark.parametrize("key", MODELS)
def test_threads_share_an_engine(
    engines: Mapping[str, Engine], reference: Reference, noise: Callable[..., np.ndarray], key: str
) -> None:
    images = [noise(1, *size) for size in ((64, 96), (97, 161), (33, 57))]
    expected = [reference(key, image) for image in images]
    with ThreadPoolExecutor(6) as pool:
        for index, actual in enumerate(pool.map(engines[key].run, images * 8)):
            assert_equal(actual, expected[index % 3])


def test_the_result_is_not_overwritten_by_the_next_pass(
    engines: Mapping[str, Engine], noise: Callable[..., np.ndarray]
) -> None:
    engine = next(iter(engines.values()))
    first = engine.run(noise(1, 64, 96))
    kept = first.loc.copy()
    engine.run(255 - noise(1, 64, 96))
    np.testing.assert_array_equal(first.loc, kept)


def test_two_threads_give_the_same(
    networks: Mapping[str, FaceNetwork], reference: Reference, noise: Callable[..., np.ndarray]
) -> None:
    images = noise(1, 97, 161)
    before = torch.get_num_threads()
    for engine_key in installed_engines():
        engine = load_engine(networks["v2"], engine_key, threads=2)
        assert engine.info.threads == 2
        assert_equal(engine.run(images), reference("v2", images))
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((1, 64, 64, 3), np.float32), "uint8"),
        (np.zeros((64, 64, 3), np.uint8), "shape"),
        (np.zeros((1, 3, 64, 64), np.uint8), "shape"),
        (np.zeros((0, 64, 64, 3), np.uint8), "shape"),
        (np.zeros((1, 31, 64, 3), np.uint8), "64 x 31"),
    ],
)
def test_wrong_images_are_refused(engines: Mapping[str, Engine], images: np.ndarray, message: str) -> None:
    with pytest.raises(EngineError, match=message):
        next(iter(engines.values())).run(images)


@pytest.mark.parametrize("engine", installed_engines())
def test_the_network_stays_as_it_is(engine: str) -> None:
    network = MODELS["v2"].builder().train()
    names = list(network.state_dict())
    load_engine(network, engine)
    assert network.training
    assert list(network.state_dict()) == names
    assert next(network.parameters()).requires_grad


def test_onnx_runtime_keeps_no_record_of_its_sessions(tmp_path: Path) -> None:
    """Where CI is set it would not do so anyway."""
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    environment |= {"TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    program = "import featherface.engines.onnxruntime_engine"
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    assert list(tmp_path.iterdir()) == []


class _Strange(nn.Module):
    """A network with a layer that no rule covers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.odd = nn.Hardsigmoid()

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        features = self.odd(self.conv(pixels)).flatten(2).transpose(1, 2)
        return features, features[..., :2], features


def test_a_network_without_onnx_form_runs_in_pytorch_unless_an_engine_is_named() -> None:
    assert load_engine(_Strange()).info.key == "pytorch"
    with pytest.raises(EngineError, match="Hardsigmoid"):
        load_engine(_Strange(), "onnxruntime")


def test_the_setting_chooses_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENGINE_VARIABLE, raising=False)
    assert default_engine() == next(iter(ENGINES))
    monkeypatch.setenv(ENGINE_VARIABLE, "pytorch")
    assert default_engine() == "pytorch"
    monkeypatch.setenv(ENGINE_VARIABLE, "caffe")
    with pytest.raises(EngineError, match="'caffe'; choose from onnxruntime, openvino, pytorch"):
        default_engine()


def test_an_engine_that_is_not_installed_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "openvino" else name)
    assert installed_engines() == ("onnxruntime", "pytorch")
    with pytest.raises(EngineError, match=r"OpenVINO is not installed; install it with: .*\.\[engines\]"):
        load_engine(_Strange(), "openvino")


def test_a_precision_that_the_engine_lacks_is_refused() -> None:
    with pytest.raises(EngineError, match="ONNX Runtime runs a network in float32, not in bfloat16"):
        load_engine(_Strange(), "onnxruntime", precision=Precision.BFLOAT16)


@pytest.mark.parametrize(
    "message",
    [  # as the engines wrote them under a limit of memory
        "Non-zero status code returned while running DeformConv node. Failed to allocate memory for",
        "[CPU] DeformableConvolution node with name 'DeformableConvolution_3150' std::bad_alloc",
        "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes",
    ],
)
def test_exhausted_memory_is_a_memory_error(message: str) -> None:
    with pytest.raises(MemoryError), memory_errors():
        raise RuntimeError(message)


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="broken"), memory_errors():
        raise RuntimeError("broken")
