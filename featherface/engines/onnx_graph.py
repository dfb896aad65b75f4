"""A network as an ONNX graph that takes uint8 RGB images of any size.

The network is traced symbolically (`torch.fx`) instead of being recorded at one input size, so nothing in the
graph depends on a size: the padding of V1's pooling and the grids of its deformable convolutions are computed
from the shape. Batch norm is folded into the convolution before it, fusion weights are normalised in advance.
"""

from __future__ import annotations

import copy
import operator
import threading
from collections.abc import Callable
from typing import Any

import onnx
import torch
from onnx import TensorProto, helper
from torch import fx, nn

from featherface.engines.graph_builder import GraphBuilder
from featherface.engines.onnx_rules import (
    CONVOLUTION_RULES,
    FUNCTION_RULES,
    MODULE_RULES,
    TRACED_FUNCTIONS,
    DeformableForm,
    centred_pixels,
)
from featherface.engines.protocol import INPUT, OUTPUTS, EngineError

__all__ = ["CHANNEL_PARTS", "OPSET", "onnx_model"]

OPSET = 19  # the first with DeformConv
# ONNX Runtime pools over channels three times as fast in four parts; OpenVINO is faster with one.
CHANNEL_PARTS = 4
_ONE_TRACE = threading.Lock()  # `fx` restores what it replaced in the order of its traces


def onnx_model(
    network: nn.Module, form: DeformableForm = DeformableForm.NATIVE, channel_parts: int = CHANNEL_PARTS
) -> onnx.ModelProto:
    """Return `network` in evaluation mode as an ONNX model; the network stays as it is.

    `channel_parts`: see CHANNEL_PARTS; must divide the channels of every map that is pooled over channels.
    Input `image` (N, H, W, 3) uint8 RGB, H and W at least 32; outputs `loc` (N, A, 4), `conf` (N, A, 2)
    probabilities and `landm` (N, A, 10), float32. Raises EngineError for an operation without a rule.
    """
    copied = copy.deepcopy(network).eval().cpu()
    with _ONE_TRACE:
        graph = _Tracer().trace(copied)
    builder = GraphBuilder(channel_parts)
    with torch.no_grad():
        _convert(graph, copied, form, builder)
    image = helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["N", "H", "W", 3])
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", "A", values])
        for name, values in OUTPUTS.items()
    ]
    return builder.model(type(network).__name__, OPSET, [image], outputs)


class _Tracer(fx.Tracer):
    """Records every layer that has a rule as one node, and lets other threads run networks meanwhile.

    While it traces, `fx` replaces `nn.Module.__call__` and `__getattr__` for the whole process; calls from
    other threads are passed on unchanged.
    """

    def __init__(self) -> None:
        super().__init__(autowrap_functions=TRACED_FUNCTIONS)
        self._thread = threading.get_ident()

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Record a call of `m`, if it is made by the thread that traces."""
        if threading.get_ident() != self._thread:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """Return an attribute of a module, as a proxy only to the thread that traces."""
        if threading.get_ident() != self._thread:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Tell whether `m` stays one node."""
        has_rule = type(m) in CONVOLUTION_RULES or type(m) in MODULE_RULES
        return has_rule or super().is_leaf_module(m, module_qualified_name)


def _convert(graph: fx.Graph, network: nn.Module, form: DeformableForm, to: GraphBuilder) -> None:
    """Add the ONNX nodes of every node of `graph`, in its order."""
    values: dict[fx.Node, Any] = {}  # names of values; for a parameter the tensor itself
    for node in graph.nodes:
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), values.__getitem__)
        if node.op == "placeholder":
            values[node] = centred_pixels(to, INPUT)
        elif node.op == "get_attr":
            values[node] = operator.attrgetter(node.target)(network)
        elif node.op == "call_module":
            values[node] = _convert_layer(node, network, form, to, args)
        elif node.op != "output":
            if node.target not in FUNCTION_RULES:
                name = getattr(node.target, "__name__", node.target)
                raise EngineError(f"The operation {name} has no ONNX form; run this network with PyTorch.")
            values[node] = FUNCTION_RULES[node.target](to, *args, **kwargs)


def _convert_layer(
    node: fx.Node, network: nn.Module, form: DeformableForm, to: GraphBuilder, args: tuple[Any, ...]
) -> Any:
    path = str(node.target)
    layer = network.get_submodule(path)
    if type(layer) in CONVOLUTION_RULES:
        return CONVOLUTION_RULES[type(layer)](to, path, layer, _batch_norm_after(node, network), form, *args)
    if isinstance(layer, nn.BatchNorm2d) and _is_folded(node, network):
        return args[0]
    if type(layer) in MODULE_RULES:
        return MODULE_RULES[type(layer)](to, path, layer, *args)
    raise EngineError(
        f"The layer {path} ({type(layer).__name__}) has no ONNX form; run this network with PyTorch."
    )


def _batch_norm_after(node: fx.Node, network: nn.Module) -> nn.BatchNorm2d | None:
    """Return the batch norm that is the only reader of `node`, or None."""
    readers = list(node.users)
    if len(readers) != 1 or readers[0].op != "call_module":
        return None
    reader = network.get_submodule(str(readers[0].target))
    return reader if isinstance(reader, nn.BatchNorm2d) else None


def _is_folded(batch_norm: fx.Node, network: nn.Module) -> bool:
    """Tell whether the convolution before `batch_norm` has taken it in."""
    source = batch_norm.args[0]
    if not isinstance(source, fx.Node) or source.op != "call_module" or len(source.users) != 1:
        return False
    return type(network.get_submodule(str(source.target))) in CONVOLUTION_RULES
