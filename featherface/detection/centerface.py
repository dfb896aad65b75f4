"""CenterFace through ONNX Runtime (Xu et al. 2019, arXiv 1911.03599)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnxruntime

from featherface.config import CANDIDATE_FLOOR, LANDMARKS
from featherface.detection.detections import Detections
from featherface.detection.face_finder import FinderError, finder_errors, sorted_candidates
from featherface.engines.onnxruntime_engine import onnx_session
from featherface.engines.protocol import EngineInfo, Precision

__all__ = ["CenterFace"]

_MULTIPLE = 32  # pixels; height and width of the input are multiples of it
_STRIDE = 4  # pixels per cell of the outputs
_CHANNELS = (1, 2, 2, 2 * len(LANDMARKS))  # heatmap, log sizes, offsets, landmarks; each y before x


class CenterFace:
    """A CenterFace model; see `FaceFinder`."""

    def __init__(self, model: bytes, threads: int = 1) -> None:
        version = onnxruntime.__version__
        self.info = EngineInfo("onnxruntime", "ONNX Runtime", version, Precision.FLOAT32, threads)
        with finder_errors():
            self._session = onnx_session(model, threads)

    def find(self, image: npt.NDArray[np.uint8]) -> Detections:
        """Return the candidates in an image; see `FaceFinder.find`."""
        height, width = (-(-size // _MULTIPLE) * _MULTIPLE for size in image.shape[:2])
        padded = np.zeros((1, 3, height, width), np.float32)
        padded[0, :, : image.shape[0], : image.shape[1]] = image.transpose(2, 0, 1)
        (photo,) = self._session.get_inputs()
        with finder_errors():
            outputs = self._session.run(None, {photo.name: padded})
        for output, channels in zip(outputs, _CHANNELS, strict=True):
            wanted = (1, channels, height // _STRIDE, width // _STRIDE)
            if output.shape != wanted or output.dtype != np.float32:
                raise FinderError(
                    f"The model file is not a CenterFace: an output has the shape {output.shape} "
                    f"instead of {wanted}."
                )
        return _decoded(*(output[0] for output in outputs))


def _decoded(
    heatmap: npt.NDArray[np.float32],
    log_sizes: npt.NDArray[np.float32],
    offsets: npt.NDArray[np.float32],
    points: npt.NDArray[np.float32],
) -> Detections:
    """Return the cells that score above CANDIDATE_FLOOR, in pixels of the input; all are (C, H, W)."""
    rows, columns = np.nonzero(heatmap[0] > CANDIDATE_FLOOR)
    cells = np.stack((columns, rows), axis=1).astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        sizes = np.exp(log_sizes[::-1, rows, columns].T) * _STRIDE
        centres = (cells + offsets[::-1, rows, columns].T + 0.5) * _STRIDE
        corners = centres - sizes / 2
        boxes = np.hstack((corners, corners + sizes))
        shares = points[:, rows, columns].T.reshape(-1, len(LANDMARKS), 2)[..., ::-1]
        landmarks = shares * sizes[:, None] + corners[:, None]
    return sorted_candidates(boxes, heatmap[0, rows, columns], landmarks)
