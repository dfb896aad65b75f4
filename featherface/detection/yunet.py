"""YuNet through OpenCV's `FaceDetectorYN` (Wu et al. 2023, doi:10.1007/s11633-023-1423-y)."""

from __future__ import annotations

from threading import Lock

import cv2
import numpy as np
import numpy.typing as npt

from featherface.config import CANDIDATE_FLOOR, LANDMARKS, MAX_CANDIDATES
from featherface.detection.detections import Detections
from featherface.detection.face_finder import FinderError, finder_errors, sorted_candidates
from featherface.engines.onnxruntime_engine import onnx_session
from featherface.engines.protocol import EngineInfo, Precision

__all__ = ["YuNet"]

_STRIDES = (8, 16, 32)  # pixels per cell
_VALUES = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}  # of each output, per cell
_KEEP_ALL = 1.0  # IoU of its NMS: faces are selected later, as for the other models
_THREADS = Lock()  # held while OpenCV runs: its number of threads is that of the whole process


class YuNet:
    """A YuNet model; see `FaceFinder`."""

    def __init__(self, model: bytes, threads: int = 1) -> None:
        self.info = EngineInfo("opencv", "OpenCV", cv2.__version__, Precision.FLOAT32, threads)
        with finder_errors():
            self._shapes = onnx_session(model)
            self._network = cv2.FaceDetectorYN.create(
                "onnx",
                np.frombuffer(model, np.uint8),
                np.empty(0, np.uint8),
                (_STRIDES[-1], _STRIDES[-1]),
                CANDIDATE_FLOOR,
                _KEEP_ALL,
                MAX_CANDIDATES,
            )
        self._checked: set[tuple[int, int]] = set()

    def find(self, image: npt.NDArray[np.uint8]) -> Detections:
        """Return the candidates in an image; see `FaceFinder.find`."""
        height, width = image.shape[:2]
        with finder_errors(), _THREADS:
            self._check_outputs(-(-height // 32) * 32, -(-width // 32) * 32)
            before = cv2.getNumThreads()
            cv2.setNumThreads(self.info.threads)
            try:
                self._network.setInputSize((width, height))
                _, found = self._network.detect(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
            finally:
                cv2.setNumThreads(before)
        rows = np.zeros((0, 15), np.float32) if found is None else np.asarray(found, np.float32)
        boxes = np.hstack((rows[:, :2], rows[:, :2] + rows[:, 2:4]))
        return sorted_candidates(boxes, rows[:, 14], rows[:, 4:14].reshape(-1, len(LANDMARKS), 2))

    def _check_outputs(self, height: int, width: int) -> None:
        """Raise FinderError unless the outputs have a value per cell: OpenCV reads them without a check."""
        if (height, width) in self._checked:
            return
        names = [f"{part}_{stride}" for part in _VALUES for stride in _STRIDES]
        (photo,) = self._shapes.get_inputs()
        outputs = self._shapes.run(names, {photo.name: np.zeros((1, 3, height, width), np.float32)})
        for name, output in zip(names, outputs, strict=True):
            part, stride = name.split("_")
            cells = (height // int(stride)) * (width // int(stride))
            if output.shape != (1, cells, _VALUES[part]):
                raise FinderError(
                    f"The model file is not a YuNet: its output {name} has the shape {output.shape}."
                )
        self._checked.add((height, width))
