"""ONNX nodes and constants, added one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

__all__ = ["GraphBuilder"]

_IR_VERSION = 9  # the file format that came with opset 19, so that older runtimes read it too


class GraphBuilder:
    """Collects the nodes and initializers of one ONNX graph; values are known by name.

    channel_parts: in how many equal parts the mean and the maximum over a map's channels are computed.
    """

    def __init__(self, channel_parts: int = 1) -> None:
        self.channel_parts = channel_parts
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: dict[str, onnx.TensorProto] = {}
        self._names: set[str] = set()

    def constant(self, name: str, values: npt.ArrayLike) -> str:
        """Add an initializer, unless there is one of that name, and return the name."""
        if name not in self._initializers:
            self._initializers[name] = numpy_helper.from_array(np.array(values, order="C"), name)
        return name

    def integers(self, *values: int) -> str:
        """Return the name of a constant int64 vector."""
        return self.constant("_".join(("int64", *map(str, values))), np.array(values, np.int64))

    def integer(self, value: int) -> str:
        """Return the name of a constant int64 scalar."""
        return self.constant(f"int64_scalar_{value}", np.int64(value))

    def number(self, value: float) -> str:
        """Return the name of a constant float32 scalar."""
        return self.constant(f"float32_{value!r}", np.float32(value))

    def node(self, kind: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:
        """Add a node with one output and return the output's name: `name`, made unique."""
        return self.nodes(kind, *inputs, names=(name or kind,), **attributes)[0]

    def nodes(self, kind: str, *inputs: str, names: tuple[str, ...], **attributes: Any) -> tuple[str, ...]:
        """Add a node with one output per entry of `names` and return the outputs' names, made unique."""
        outputs = [self._unique(name) for name in names]
        self._nodes.append(helper.make_node(kind, list(inputs), outputs, name=outputs[0], **attributes))
        return tuple(outputs)

    def model(
        self, name: str, opset: int, inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto]
    ) -> onnx.ModelProto:
        """Return everything added so far as a checked model."""
        model = helper.make_model(
            helper.make_graph(self._nodes, name, inputs, outputs, list(self._initializers.values())),
            opset_imports=[helper.make_opsetid("", opset)],
            ir_version=_IR_VERSION,
            producer_name="featherface",
        )
        onnx.checker.check_model(model)
        return model

    def _unique(self, name: str) -> str:
        if name in self._names:  # a shared module runs more than once
            name = f"{name}_{len(self._nodes)}"
        self._names.add(name)
        return name
