"""Tiny ONNX models with the inputs and outputs of YuNet and CenterFace, made here: no foreign file is needed.

A face is a white square on a black photo: both models score a cell by how bright it is.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

_STRIDES = (8, 16, 32)
_BRIGHTNESS = np.full((1, 3, 1, 1), 1 / 3 / 255, np.float32)  # 1 for white, 0 for black


def yunet_model(side: int = 320) -> bytes:
    """A face of 16 x 16 pixels around the upper left corner of every white cell of 8 x 8 pixels.

    `side` is the size of the input that the file declares.
    """
    nodes = [_pooling("input", f"cells_{stride}", stride) for stride in _STRIDES]
    constants: list[TensorProto] = []
    outputs = []
    heads = {"cls": [0.0], "obj": [0.0], "bbox": [0, 0, np.log(2), np.log(2)], "kps": [0.5] * 10}
    for part, biases in heads.items():
        for stride in _STRIDES:
            name, values = f"{part}_{stride}", len(biases)
            scores = part in ("cls", "obj")
            weights = _BRIGHTNESS if scores and stride == 8 else np.zeros((values, 3, 1, 1), np.float32)
            nodes += [
                _convolution(constants, f"cells_{stride}", f"map_{name}", weights, biases),
                helper.make_node("Transpose", [f"map_{name}"], [f"last_{name}"], perm=[0, 2, 3, 1]),
                helper.make_node("Reshape", [f"last_{name}", f"shape_{name}"], [name]),
            ]
            constants.append(numpy_helper.from_array(np.array([1, -1, values]), f"shape_{name}"))
            outputs.append(_value(name, [1, (side // stride) ** 2, values]))
    return _model(nodes, [_value("input", [1, 3, side, side])], outputs, constants)


def centerface_model() -> bytes:
    """A face of 16 x 16 pixels around the middle of every white cell of 4 x 4 pixels."""
    constants: list[TensorProto] = []
    heads = {
        "heatmap": [0.0],
        "sizes": [np.log(4)] * 2,
        "offsets": [0.0, 0.0],
        "points": [0.25, 0.25, 0.25, 0.75, 0.5, 0.5, 0.75, 0.25, 0.75, 0.75],  # y before x
    }
    nodes = [_pooling("photo", "cells", 4)]
    for name, biases in heads.items():
        weights = _BRIGHTNESS if name == "heatmap" else np.zeros((len(biases), 3, 1, 1), np.float32)
        nodes.append(_convolution(constants, "cells", name, weights, biases))
    outputs = [_value(name, [10, len(biases), 8, 8]) for name, biases in heads.items()]
    return _model(nodes, [_value("photo", [10, 3, 32, 32])], outputs, constants)  # sizes as published


def edited(model: bytes, change: Callable[[ModelProto], object]) -> bytes:
    """The model after `change` of the parsed model."""
    parsed = onnx.load_model_from_string(model)
    change(parsed)
    return parsed.SerializeToString()


def _model(nodes: list[NodeProto], inputs: list, outputs: list, constants: list[TensorProto]) -> bytes:
    graph = helper.make_graph(nodes, "detector", inputs, outputs, constants)
    opset = [helper.make_opsetid("", 13)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


def _value(name: str, shape: list[int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _pooling(source: str, name: str, size: int) -> NodeProto:
    return helper.make_node("AveragePool", [source], [name], kernel_shape=[size] * 2, strides=[size] * 2)


def _convolution(
    constants: list[TensorProto], source: str, name: str, weights: np.ndarray, biases: list[float]
) -> NodeProto:
    constants.append(numpy_helper.from_array(weights, f"weight_{name}"))
    constants.append(numpy_helper.from_array(np.asarray(biases, np.float32), f"bias_{name}"))
    return helper.make_node("Conv", [source, f"weight_{name}", f"bias_{name}"], [name])
