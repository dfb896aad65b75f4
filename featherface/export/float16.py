"""ONNX models with their weights stored in half precision.

Only the file changes: the weights are widened again when the model is loaded, so that every engine computes
in float32 as before, on processors without half-precision arithmetic too.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

__all__ = ["with_float16_weights"]

_FEWEST = 16  # values; a smaller constant saves less than the node that widens it takes


def with_float16_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of `model` whose float32 weights are float16, each followed by a `Cast` to float32."""
    smaller = onnx.ModelProto()
    smaller.CopyFrom(model)
    casts = []
    for tensor in smaller.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type == TensorProto.FLOAT and values.size >= _FEWEST:
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.float16"))
            casts.append(helper.make_node("Cast", [tensor.name], [name], name=name, to=TensorProto.FLOAT))
    nodes = [*casts, *smaller.graph.node]
    del smaller.graph.node[:]
    smaller.graph.node.extend(nodes)
    onnx.checker.check_model(smaller)
    return smaller
