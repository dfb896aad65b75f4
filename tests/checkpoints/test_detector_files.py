"""Model files of other detectors: what is recognised, and what is refused with which sentence."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import ModelProto, TensorProto, helper

from featherface.checkpoints import WeightsError
from featherface.checkpoints.detector_files import (
    MAX_DETECTOR_BYTES,
    detector_files,
    detector_model,
    inspect_detector,
)
from tests.detector_models import centerface_model, edited, yunet_model

UPLOAD = Path("own.onnx")


@pytest.mark.parametrize(
    ("content", "key"),
    [(yunet_model(320), "yunet"), (yunet_model(640), "yunet"), (centerface_model(), "centerface")],
)
def test_a_detector_is_recognised_by_its_inputs_and_outputs(content: bytes, key: str) -> None:
    weights = inspect_detector(UPLOAD, content)

    assert (weights.key, weights.path.name, weights.source) == (key, "own.onnx", "user")
    model = onnx.load_model_from_string(detector_model(weights))
    height, width = model.graph.input[0].type.tensor_type.shape.dim[2:]
    assert (height.dim_value, width.dim_value) == (0, 0)  # free, whatever the file declared


def add_operator(name: str, **attributes: object) -> Callable[[ModelProto], object]:
    return lambda model: model.graph.node.append(helper.make_node(name, ["input"], ["more"], **attributes))


def add_branch(model: ModelProto) -> None:
    branch = helper.make_graph([], "branch", [], [])
    model.graph.node.append(helper.make_node("Relu", ["input"], ["more"], then_branch=branch))


def refer_to_file(model: ModelProto) -> None:
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL
    model.graph.initializer[0].external_data.add(key="location", value="/etc/passwd")


def refer_in_constant(model: ModelProto) -> None:
    value = TensorProto(data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    add_operator("Constant", value=value)(model)


def add_input(model: ModelProto) -> None:
    model.graph.input.add().CopyFrom(model.graph.input[0])
    model.graph.input[1].name = "second"


def declare_two_axes(model: ModelProto) -> None:
    del model.graph.input[0].type.tensor_type.shape.dim[2:]


def repeat_output(model: ModelProto) -> None:
    model.graph.output.insert(0, helper.make_tensor_value_info("cls_8", TensorProto.FLOAT, [1]))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "not an ONNX file"),
        (b"no model at all", "not an ONNX file"),
        (yunet_model()[:1000], "not an ONNX file"),
        (b"\0" * (MAX_DETECTOR_BYTES + 1), "exceeds the limit of 20 MB"),
        (edited(yunet_model(), add_operator("Loop")), "uses the operator 'Loop'"),  # control flow
        (edited(yunet_model(), add_operator("Cast", to=1)), "uses the operator 'Cast'"),
        (edited(yunet_model(), add_operator("Relu", domain="my.own")), "uses the operator 'Relu'"),
        (edited(yunet_model(), add_branch), "attribute that is not plain"),
        (edited(yunet_model(), refer_to_file), "refers to another file"),
        (edited(yunet_model(), refer_in_constant), "refers to another file"),
        (edited(yunet_model(), add_input), "does not have the input and outputs of YuNet or CenterFace"),
        (
            edited(yunet_model(), lambda model: model.graph.output.pop()),
            "does not have the input and outputs",
        ),
        (
            edited(centerface_model(), lambda model: model.graph.output.reverse()),
            "does not have the input and",
        ),
        (edited(yunet_model(), declare_two_axes), "does not have the input and outputs"),
        (edited(yunet_model(), repeat_output), "does not have the input and outputs"),
        (
            edited(yunet_model(), lambda model: model.graph.node.extend(40 * list(model.graph.node))),
            "not the plain convolutional network",
        ),
    ],
)
def test_other_files_are_refused_with_a_sentence(content: bytes, sentence: str) -> None:
    with pytest.raises(WeightsError, match=re.escape(sentence)):
        inspect_detector(UPLOAD, content)


def test_a_folder_offers_its_detectors_and_says_why_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(yunet_model())
    (tmp_path / "b.ONNX").write_bytes(b"damaged")
    (tmp_path / "c.pth").write_bytes(b"a checkpoint, listed elsewhere")

    usable, refused = detector_files(tmp_path)

    assert usable.weights is not None
    assert usable.weights.key == "yunet"
    assert (refused.weights, refused.refusal) == (
        None,
        "b.ONNX is not an ONNX file, or is damaged or truncated.",
    )


def test_a_file_that_has_changed_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "own.onnx"
    path.write_bytes(yunet_model(320))
    weights = inspect_detector(path)
    path.write_bytes(yunet_model(640))

    with pytest.raises(WeightsError, match="has changed since it was chosen"):
        detector_model(weights)
