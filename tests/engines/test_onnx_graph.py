"""The ONNX graph: its inputs and outputs, and that nothing in it depends on a size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np
import onnx
import pytest
import torch

from featherface.engines.onnx_graph import OPSET, onnx_model
from featherface.engines.onnx_rules import DeformableForm
from featherface.engines.onnxruntime_engine import OnnxRuntimeEngine
from featherface.engines.protocol import INPUT, OUTPUTS, Predictions
from featherface.models import MODELS, FaceNetwork

Reference = Callable[[str, np.ndarray], Predictions]


@pytest.mark.parametrize("form", DeformableForm)
@pytest.mark.parametrize("key", MODELS)
def test_the_model_declares_its_inputs_and_outputs(
    networks: Mapping[str, FaceNetwork], key: str, form: DeformableForm
) -> None:
    model = onnx_model(networks[key], form)
    assert [entry.version for entry in model.opset_import] == [OPSET]
    (image,) = model.graph.input
    assert image.name == INPUT
    assert image.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [dim.dim_param or dim.dim_value for dim in image.type.tensor_type.shape.dim] == ["N", "H", "W", 3]
    assert [output.name for output in model.graph.output] == list(OUTPUTS)
    kinds = {node.op_type for node in model.graph.node}
    other = next(other for other in DeformableForm if other is not form)
    assert other not in kinds
    assert "BatchNormalization" not in kinds  # folded into the convolutions
    onnx.shape_inference.infer_shapes(model, strict_mode=True)


@pytest.fixture(scope="module")
def sampled(networks: Mapping[str, FaceNetwork]) -> Mapping[str, OnnxRuntimeEngine]:
    """Both networks in the form without `DeformConv`."""
    models = {key: onnx_model(network, DeformableForm.SAMPLED) for key, network in networks.items()}
    return {key: OnnxRuntimeEngine(model.SerializeToString()) for key, model in models.items()}


@pytest.mark.parametrize("size", [(33, 57), (65, 97), (160, 96), (427, 640)])
def test_the_sampled_form_computes_what_the_native_one_does(
    sampled: Mapping[str, OnnxRuntimeEngine],
    reference: Reference,
    noise: Callable[..., np.ndarray],
    size: tuple[int, int],
) -> None:
    for key, engine in sampled.items():
        images = noise(2, *size)
        for actual, expected in zip(engine.run(images), reference(key, images), strict=True):
            np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-3)


def test_the_graph_is_traced_in_evaluation_mode(
    reference: Reference, noise: Callable[..., np.ndarray], networks: Mapping[str, FaceNetwork]
) -> None:
    for key, network in networks.items():
        training = MODELS[key].builder()
        training.load_state_dict(network.state_dict())
        images = noise(1, 64, 64)
        actual = OnnxRuntimeEngine.of_network(training.train()).run(images)
        np.testing.assert_allclose(actual.conf, reference(key, images).conf, rtol=0, atol=1e-4)


class _Pausing(MODELS["v2"].builder):
    """V2, whose forward waits in its middle until the test goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.proceed = Event(), Event()

    def __deepcopy__(self, memo: dict) -> _Pausing:
        return self  # events cannot be copied, and nothing here changes the network

    def heads(self, levels):
        self.entered.set()
        assert self.proceed.wait(60)
        return super().heads(levels)


def test_other_threads_run_and_load_networks_during_a_trace() -> None:
    """A server loads one network while another runs: `fx` patches every module of the process meanwhile."""
    slow, other = _Pausing().eval(), MODELS["v1"].builder().eval()
    pixels = torch.zeros(1, 3, 64, 64)
    with torch.inference_mode():
        expected = other(pixels)
    with ThreadPoolExecutor(2) as threads:
        tracing = threads.submit(onnx_model, slow)
        assert slow.entered.wait(60)
        second = threads.submit(onnx_model, other)  # waits for its turn
        with torch.inference_mode():
            during = other(pixels)
        slow.proceed.set()
        for model in (tracing.result(), second.result()):
            onnx.checker.check_model(model)
    for one, same in zip(expected, during, strict=True):
        assert torch.equal(one, same)
