"""Model files (ONNX) of the detectors in OTHER_DETECTORS: strict reading, and the folder that holds them.

Such a file is a program that OpenCV or ONNX Runtime runs. What is handed to them is written anew from the
parts that were checked: standard operators of convolutional networks, without control flow and without
references to other files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

from featherface.checkpoints.formats import WeightsError, read_file
from featherface.checkpoints.records import WeightsFile
from featherface.checkpoints.weights_folder import UserCheckpoint
from featherface.errors import sentence
from featherface.models import CENTERFACE, OTHER_DETECTORS, YUNET

__all__ = ["DETECTOR_SUFFIX", "MAX_DETECTOR_BYTES", "detector_files", "detector_model", "inspect_detector"]

DETECTOR_SUFFIX = ".onnx"  # in any case
MAX_DETECTOR_BYTES = 20 * 10**6  # YuNet has 0.3 MB, CenterFace 7 MB
_MAX_NODES = 1_000  # CenterFace has 122
_OPERATORS = frozenset(
    {
        *("Conv", "ConvTranspose", "BatchNormalization", "MaxPool", "AveragePool", "Upsample", "Resize"),
        *("Relu", "LeakyRelu", "PRelu", "Clip", "Sigmoid", "Softmax", "Exp", "HardSwish", "HardSigmoid"),
        *("Add", "Sub", "Mul", "Div", "Concat", "Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze"),
        *("Shape", "Gather", "Slice", "Constant", "Identity", "QuantizeLinear", "DequantizeLinear"),
    }
)  # no Cast: without it no number of a photo becomes a size, so sizes depend on the input size alone
_PLAIN_ATTRIBUTES = frozenset(
    {
        *(AttributeProto.INT, AttributeProto.FLOAT, AttributeProto.STRING, AttributeProto.TENSOR),
        *(AttributeProto.INTS, AttributeProto.FLOATS, AttributeProto.STRINGS),
    }
)
_YUNET_OUTPUTS = {  # as `FaceDetectorYN` asks for them, and their values per cell
    f"{part}_{stride}": values
    for part, values in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10))
    for stride in (8, 16, 32)
}
_CENTERFACE_CHANNELS = (1, 2, 2, 10)  # heatmap, sizes, offsets, landmarks


def inspect_detector(path: Path, content: bytes | None = None) -> WeightsFile:
    """Check the model file of a detector in full; `content` is that of a file that was uploaded.

    Raises WeightsError.
    """
    data = read_file(path, MAX_DETECTOR_BYTES) if content is None else content
    if len(data) > MAX_DETECTOR_BYTES:
        raise WeightsError(f"{path.name} exceeds the limit of {MAX_DETECTOR_BYTES // 10**6} MB.")
    key = _detector_key(path.name, _checked_graph(path.name, _parsed(path.name, data)))
    return WeightsFile(path, key, hashlib.sha256(data).hexdigest(), MappingProxyType({}), "user", content)


def detector_model(weights: WeightsFile) -> bytes:
    """Return the checked ONNX model in the file of a detector, for inputs of any height and width.

    Raises WeightsError, also for a file that has changed since it was inspected.
    """
    name = weights.path.name
    data = weights.content or read_file(weights.path, MAX_DETECTOR_BYTES)
    if hashlib.sha256(data).hexdigest() != weights.sha256:
        raise WeightsError(f"{name} has changed since it was chosen; choose it again.")
    source = _parsed(name, data)
    graph = _checked_graph(name, source)
    _free_sizes(graph, weights.key)
    model = ModelProto(ir_version=source.ir_version, graph=graph, opset_import=source.opset_import)
    return bytes(model.SerializeToString())


def detector_files(folder: Path) -> list[UserCheckpoint]:
    """Return the model files of other detectors in `folder`, sorted by name, each checked in full."""
    paths = sorted(path for path in folder.glob("*") if path.name.lower().endswith(DETECTOR_SUFFIX))
    states = [(path, path.stat()) for path in paths if path.is_file()]
    return [_inspect_once(path, state.st_mtime_ns, state.st_size) for path, state in states]


@lru_cache(maxsize=64)
def _inspect_once(path: Path, modified_ns: int, size: int) -> UserCheckpoint:
    """Inspect a file again only when its time or its size has changed."""
    try:
        return UserCheckpoint(path, inspect_detector(path), None)
    except WeightsError as error:
        return UserCheckpoint(path, None, str(error))


def _parsed(name: str, data: bytes) -> ModelProto:
    try:
        return onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's own class, which has no stubs
        raise WeightsError(f"{name} is not an ONNX file, or is damaged or truncated.") from error


def _checked_graph(name: str, model: ModelProto) -> GraphProto:
    """Return a new graph of the checked parts: nodes, constants, the photo's input and the outputs."""
    source = model.graph
    if not source.node:
        raise WeightsError(f"{name} is not an ONNX file, or is damaged or truncated.")
    if len(source.node) > _MAX_NODES or model.functions or source.sparse_initializer:
        raise WeightsError(f"{name} is not the plain convolutional network of a face detector.")
    constants = {tensor.name for tensor in source.initializer}
    inputs = [value for value in source.input if value.name not in constants]
    graph = GraphProto(name="detector", input=inputs, output=source.output)
    for node in source.node:
        _check_node(name, node)
    graph.node.extend(source.node)
    for tensor in source.initializer:
        _check_tensor(name, tensor)
    graph.initializer.extend(source.initializer)
    return graph


def _check_node(name: str, node: NodeProto) -> None:
    if node.domain not in ("", "ai.onnx") or node.op_type not in _OPERATORS:
        raise WeightsError(
            sentence(f"{name} uses the operator {node.op_type!r}, which is not accepted in a detector.")
        )
    for attribute in node.attribute:
        if attribute.type not in _PLAIN_ATTRIBUTES or attribute.ref_attr_name:
            raise WeightsError(sentence(f"{name} has a {node.op_type} with an attribute that is not plain."))
        if attribute.type == AttributeProto.TENSOR:
            _check_tensor(name, attribute.t)


def _check_tensor(name: str, tensor: TensorProto) -> None:
    if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
        raise WeightsError(f"{name} refers to another file for its weights; save it as one file.")


def _detector_key(name: str, graph: GraphProto) -> str:
    """Return the key in OTHER_DETECTORS of the detector that a graph is, by its inputs and outputs."""
    recognised: Mapping[str, Callable[[GraphProto], bool]] = {YUNET: _is_yunet, CENTERFACE: _is_centerface}
    sizes = [_sizes(value) for value in graph.input]
    one_photo = len(sizes) == 1 and len(sizes[0]) == 4 and sizes[0][1] == 3
    found = [key for key, matches in recognised.items() if one_photo and matches(graph)]
    if not found:
        names = " or ".join(entry.name for entry in OTHER_DETECTORS.values())
        raise WeightsError(f"{name} does not have the input and outputs of {names}.")
    return found[0]


def _is_yunet(graph: GraphProto) -> bool:
    outputs = sorted((output.name, _sizes(output)[2:]) for output in graph.output)
    return outputs == sorted((name, (values,)) for name, values in _YUNET_OUTPUTS.items())


def _is_centerface(graph: GraphProto) -> bool:
    channels = tuple(_sizes(output)[1] for output in graph.output if len(_sizes(output)) == 4)
    return len(graph.output) == len(_CENTERFACE_CHANNELS) and channels == _CENTERFACE_CHANNELS


def _sizes(value: ValueInfoProto) -> tuple[int, ...]:
    """Return the declared size along each axis, 0 where it is free."""
    return tuple(size.dim_value for size in value.type.tensor_type.shape.dim)


def _free_sizes(graph: GraphProto, key: str) -> None:
    """Declare height and width as free, whatever they were when the file was saved."""
    free = (1,) if key == YUNET else (2, 3)  # axes of the outputs
    for value, axes in ((graph.input[0], (2, 3)), *((output, free) for output in graph.output)):
        sizes = value.type.tensor_type.shape.dim
        sizes[0].dim_value = 1
        for axis in axes:
            sizes[axis].dim_param = f"{value.name}_{axis}"
