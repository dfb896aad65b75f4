"""How each layer, function and tensor method of the networks is written in ONNX: three tables of rules.

A rule takes the `GraphBuilder`, then what the operation was called with (names of values for tensors), and
returns the name of its result. A layer's rule also gets the layer's path and the layer itself.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from onnx import TensorProto
from torch import Tensor, nn
from torch.nn import functional

from featherface.config import PIXEL_MEAN_BGR
from featherface.engines.graph_builder import GraphBuilder
from featherface.engines.protocol import OUTPUTS
from featherface.models.convolutions import ChannelShuffle, detector_outputs, fuse, upsample_to
from featherface.models.deformable import ModulatedDeformableConv2d
from featherface.models.v1 import max_pool_same

__all__ = [
    "CONVOLUTION_RULES",
    "FUNCTION_RULES",
    "MODULE_RULES",
    "TRACED_FUNCTIONS",
    "DeformableForm",
    "centred_pixels",
]

TRACED_FUNCTIONS = (fuse, upsample_to, max_pool_same, detector_outputs)  # recorded as one node each

_Array = npt.NDArray[np.float32]

_TAPS = 9  # of a 3 x 3 kernel, row-major
_TAP_STEPS = np.stack(np.meshgrid((-1, 0, 1), (-1, 0, 1), indexing="ij"), axis=-1).reshape(-1)  # dy, dx pairs


class DeformableForm(StrEnum):
    """How a deformable convolution is written."""

    NATIVE = "DeformConv"  # one operator, which not every engine has
    SAMPLED = "GridSample"  # bilinear samples of each tap's product, summed


def centred_pixels(to: GraphBuilder, image: str) -> str:
    """Turn RGB (N, H, W, 3) uint8 into BGR (N, 3, H, W) float32 less the mean.

    The mean is integer, so `DequantizeLinear` converts and subtracts in one pass over the pixels.
    """
    channels_first = to.node("Transpose", image, perm=[0, 3, 1, 2])
    bgr = to.node("Gather", channels_first, to.integers(2, 1, 0), axis=1)
    scale = to.constant("pixel_scale", np.ones(3, np.float32))
    mean = to.constant("pixel_mean", np.array(PIXEL_MEAN_BGR, np.uint8))
    return to.node("DequantizeLinear", bgr, scale, mean, axis=1)


def _folded(weight: Tensor, bias: Tensor | None, norm: nn.BatchNorm2d | None) -> tuple[_Array, _Array]:
    """Return the weight (O, ...) and bias (O,) of a convolution together with the batch norm after it."""
    bias = torch.zeros(len(weight)) if bias is None else bias
    if norm is not None:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        weight = weight * scale.view(-1, *(1 for _ in weight.shape[1:]))
        bias = (bias - norm.running_mean) * scale + norm.bias
    return weight.numpy(), bias.numpy()


def _convolved(
    to: GraphBuilder, name: str, features: str, weight: _Array, bias: _Array, group: int = 1, stride: int = 1
) -> str:
    """Convolve with "same" padding for an odd kernel."""
    kernel = list(weight.shape[2:])
    return to.node(
        "Conv",
        features,
        to.constant(f"{name}.weight", weight),
        to.constant(f"{name}.bias", bias),
        name=name,
        group=group,
        kernel_shape=kernel,
        pads=[size // 2 for size in kernel] * 2,
        strides=[stride, stride],
    )


def _conv(
    to: GraphBuilder,
    name: str,
    layer: nn.Conv2d,
    norm: nn.BatchNorm2d | None,
    form: DeformableForm,
    features: str,
) -> str:
    weight, bias = _folded(layer.weight, layer.bias, norm)
    return _convolved(to, name, features, weight, bias, layer.groups, layer.stride[0])


def _deformable_conv(
    to: GraphBuilder,
    name: str,
    layer: ModulatedDeformableConv2d,
    norm: nn.BatchNorm2d | None,
    form: DeformableForm,
    features: str,
) -> str:
    """One convolution predicts offsets and masks; the masks' factor 2 goes into the weight."""
    weight, bias = _folded(layer.regular_conv.weight, None, norm)
    weight = 2 * weight
    predictors = layer.offset_conv, layer.modulator_conv
    predictor_weight = torch.cat([conv.weight for conv in predictors]).numpy()
    predictor_bias = torch.cat([_bias(conv) for conv in predictors]).numpy()
    if form is DeformableForm.SAMPLED:
        predictor_bias[: 2 * _TAPS] += _TAP_STEPS
    predicted = _convolved(to, f"{name}.predictors", features, predictor_weight, predictor_bias)
    offsets, logits = to.nodes(
        "Split", predicted, to.integers(2 * _TAPS, _TAPS), names=(f"{name}.offsets", f"{name}.logits"), axis=1
    )
    masks = to.node("Sigmoid", logits, name=f"{name}.masks")
    if form is DeformableForm.SAMPLED:
        return _sampled(to, name, features, offsets, masks, weight, bias)
    kernel, shift = to.constant(f"{name}.weight", weight), to.constant(f"{name}.bias", bias)
    inputs = (features, kernel, offsets, shift, masks)
    return to.node("DeformConv", *inputs, name=name, kernel_shape=[3, 3], pads=[1, 1, 1, 1])


def _bias(conv: nn.Conv2d) -> Tensor:
    return torch.zeros(conv.out_channels) if conv.bias is None else conv.bias


def _sampled(
    to: GraphBuilder, name: str, features: str, points: str, masks: str, weight: _Array, bias: _Array
) -> str:
    """Multiply first and sample afterwards, as `modulated_deformable_conv2d` does: both are linear.

    `points` (N, 18, H, W): y, x pairs in pixels from each cell, taps included; `masks` (N, 9, H, W).
    """
    out_channels = len(weight)
    kernels = weight.transpose(2, 3, 0, 1).reshape(_TAPS * out_channels, -1, 1, 1)
    nothing = np.zeros(len(kernels), np.float32)
    products = _convolved(to, f"{name}.products", features, kernels, nothing)  # (N, 9 * O, H, W)
    size = to.node("Shape", features, start=2)
    by_tap = to.node("Concat", to.integers(-1, out_channels), size, axis=0)
    samples = to.node(
        "GridSample",
        to.node("Reshape", products, by_tap),
        _grid(to, points, size),
        mode="bilinear",
        padding_mode="zeros",
        align_corners=0,
    )  # (N * 9, O, H, W)
    scale = to.node("Reshape", masks, to.node("Concat", to.integers(-1, 1), size, axis=0))
    per_image = to.node("Concat", to.integers(-1, _TAPS, out_channels), size, axis=0)
    scaled = to.node("Reshape", to.node("Mul", samples, scale), per_image)
    total = to.node("ReduceSum", scaled, to.integers(1), keepdims=0)
    return to.node("Add", total, to.constant(f"{name}.bias", bias.reshape(-1, 1, 1)), name=name)


def _grid(to: GraphBuilder, points: str, size: str) -> str:
    """Turn `points` into what GridSample takes: (N * 9, H, W, 2) x, y from -1 to 1 over the map's edges."""
    split = to.node("Reshape", points, to.node("Concat", to.integers(-1, 2), size, axis=0))
    axes = []
    for axis in (1, 0):  # x, then y
        length = to.node("Gather", size, to.integer(axis))
        cells = to.node("Range", to.integer(0), length, to.integer(1))
        cells = to.node("Cast", cells, to=TensorProto.FLOAT)
        if axis == 0:
            cells = to.node("Unsqueeze", cells, to.integers(1))
        moved = to.node("Add", to.node("Gather", split, to.integer(1 if axis else 0), axis=1), cells)
        doubled = to.node("Add", to.node("Mul", moved, to.number(2.0)), to.number(1.0))
        share = to.node("Div", doubled, to.node("Cast", length, to=TensorProto.FLOAT))
        axes.append(to.node("Unsqueeze", to.node("Sub", share, to.number(1.0)), to.integers(3)))
    return to.node("Concat", *axes, axis=3)


def _linear(to: GraphBuilder, name: str, layer: nn.Linear, features: str) -> str:
    weight = to.constant(f"{name}.weight", layer.weight.numpy())
    bias = [] if layer.bias is None else [to.constant(f"{name}.bias", layer.bias.numpy())]
    return to.node("Gemm", features, weight, *bias, name=name, transB=1)


def _flatten(to: GraphBuilder, name: str, layer: nn.Flatten, features: str) -> str:
    return to.node("Flatten", features, name=name, axis=layer.start_dim)


def _relu(to: GraphBuilder, name: str, layer: nn.ReLU, features: str) -> str:
    return to.node("Relu", features, name=name)


def _leaky_relu(to: GraphBuilder, name: str, layer: nn.LeakyReLU, features: str) -> str:
    return to.node("LeakyRelu", features, name=name, alpha=layer.negative_slope)


def _channel_shuffle(to: GraphBuilder, name: str, layer: ChannelShuffle, features: str) -> str:
    """Transpose the channels; OpenVINO 2026.4 computes a `Gather` of V1's 64 channels wrongly."""
    shape = to.node("Concat", to.integers(0, layer.rows, -1), to.node("Shape", features, start=2), axis=0)
    swapped = to.node("Transpose", to.node("Reshape", features, shape), perm=[0, 2, 1, 3, 4])
    return to.node("Reshape", swapped, to.node("Shape", features), name=name)


def _fuse(to: GraphBuilder, weights: Tensor, *maps: str) -> str:
    shares = fuse(weights, *torch.eye(len(maps))).tolist()  # normalised: one weight per map
    parts = [to.node("Mul", feature, to.number(share)) for share, feature in zip(shares, maps, strict=True)]
    total = parts[0]
    for part in parts[1:]:
        total = to.node("Add", total, part)
    return total


def _upsample_to(to: GraphBuilder, source: str, target: str) -> str:
    sizes = to.node("Concat", to.node("Shape", source, end=2), to.node("Shape", target, start=2), axis=0)
    return to.node(
        "Resize",
        source,
        "",
        "",
        sizes,
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )


def _max_pool_same(to: GraphBuilder, features: str) -> str:
    """Pad an even axis by 0 and 1, an odd one by 1 and 1: TensorFlow's "same" for 3 x 3 at stride 2."""
    before = to.node("Mod", to.node("Shape", features, start=2), to.integers(2))
    pads = to.node("Concat", to.integers(0, 0), before, to.integers(0, 0, 1, 1), axis=0)
    return to.node("MaxPool", to.node("Pad", features, pads), kernel_shape=[3, 3], strides=[2, 2])


def _max_pool(to: GraphBuilder, features: str, kernel: int, stride: int, padding: int, **_: Any) -> str:
    return to.node("MaxPool", features, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[padding] * 4)


def _detector_outputs(
    to: GraphBuilder, boxes: list[str], classes: list[str], points: list[str], *, training: bool
) -> None:
    probabilities = [_probabilities(to, level) for level in classes]
    for (name, values), levels in zip(OUTPUTS.items(), (boxes, probabilities, points), strict=True):
        rows = [
            to.node("Reshape", to.node("Transpose", level, perm=[0, 2, 3, 1]), to.integers(0, -1, values))
            for level in levels
        ]
        to.node("Concat", *rows, name=name, axis=1)


def _probabilities(to: GraphBuilder, logits: str) -> str:
    """Turn a head's map (N, 4, H, W), no face and face per anchor, into probabilities.

    The softmax of two values is the sigmoid of their difference; `Softmax` along rows of two is slow.
    """
    other = to.node("Gather", logits, to.integers(1, 0, 3, 2), axis=1)
    return to.node("Sigmoid", to.node("Sub", logits, other))


def _silu(to: GraphBuilder, features: str, **_: Any) -> str:
    return to.node("Mul", features, to.node("Sigmoid", features))


def _cat(to: GraphBuilder, tensors: tuple[str, ...], dim: int) -> str:
    return to.node("Concat", *tensors, axis=dim)


def _getitem(to: GraphBuilder, value: str, index: tuple[slice | None, ...]) -> str:
    return to.node(
        "Unsqueeze", value, to.integers(*(axis for axis, part in enumerate(index) if part is None))
    )


def _elementwise(kind: str) -> Callable[..., str]:
    def rule(to: GraphBuilder, *inputs: str, **_: Any) -> str:
        return to.node(kind, *inputs)

    return rule


def _reduction(kind: str) -> Callable[..., str]:
    """Return the rule of "Mean" or "Max" over some axes.

    Over the channels: first of the graph's `channel_parts`, element by element, then over what is left.
    Engines that merge equal nodes split a map once for both.
    """

    def rule(
        to: GraphBuilder, features: str, dim: int | tuple[int, ...], keepdim: bool = False, **_: Any
    ) -> str:
        axes = dim if isinstance(dim, tuple) else (dim,)
        if axes == (1,) and to.channel_parts > 1:
            names = tuple(f"part{index}" for index in range(to.channel_parts))
            parts = to.nodes("Split", features, names=names, axis=1, num_outputs=to.channel_parts)
            features = to.node(kind, *parts)
        return to.node(f"Reduce{kind}", features, to.integers(*axes), keepdims=int(keepdim))

    return rule


CONVOLUTION_RULES: Mapping[type[nn.Module], Callable[..., str]] = {  # with the batch norm that follows
    nn.Conv2d: _conv,
    ModulatedDeformableConv2d: _deformable_conv,
}
MODULE_RULES: Mapping[type[nn.Module], Callable[..., str]] = {
    ChannelShuffle: _channel_shuffle,
    nn.Flatten: _flatten,
    nn.LeakyReLU: _leaky_relu,
    nn.Linear: _linear,
    nn.ReLU: _relu,
}
FUNCTION_RULES: Mapping[object, Callable[..., str | None]] = {  # a string is the name of a tensor method
    "amax": _reduction("Max"),
    "mean": _reduction("Mean"),
    detector_outputs: _detector_outputs,
    functional.max_pool2d: _max_pool,
    functional.relu: _elementwise("Relu"),
    functional.silu: _silu,
    fuse: _fuse,
    max_pool_same: _max_pool_same,
    operator.add: _elementwise("Add"),
    operator.getitem: _getitem,
    operator.mul: _elementwise("Mul"),
    torch.cat: _cat,
    torch.sigmoid: _elementwise("Sigmoid"),
    upsample_to: _upsample_to,
}
