"""The faces that several models found in one photo, and the files made of them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from featherface.checkpoints import WeightsFile
from featherface.detection.agreement import Agreement, agreement
from featherface.detection.detections import COLUMNS, Detections
from featherface.detection.drawing import Hide, annotate, encode_image, title_band
from featherface.detection.images import Photo, decode_photo, memory_errors_as_sentence
from featherface.detection.multiscale import Pass
from featherface.detection.postprocess import select
from featherface.detection.settings import DetectionSettings
from featherface.evaluation.ground_truth_files import coco_image_id
from featherface.models import detector_entry
from featherface.reporting.wording import faces_text
from featherface.serving.model_service import DetectionResult

__all__ = ["Comparison", "compare", "detections_document"]

_LANDSCAPE = 2.0  # photos wider than this are stacked instead of placed side by side
_MILLISECOND_DECIMALS = 3


@dataclass(frozen=True, eq=False)
class Comparison:
    """The faces that each model found in one photo of `width` x `height` pixels.

    results: what each network returned before any filter, by the model's key. settings: each model's filter.
    faces: what the filter kept. decode_milliseconds: None if reading the photo was not timed.
    """

    name: str
    width: int
    height: int
    results: Mapping[str, DetectionResult]
    settings: Mapping[str, DetectionSettings]
    faces: Mapping[str, Detections]
    decode_milliseconds: float | None = None

    @cached_property
    def agreement(self) -> Agreement | None:
        """Return which faces two models agree on; None unless there are exactly two."""
        if len(self.faces) != 2:
            return None
        first, second = self.faces.values()
        return agreement(first, second)

    def partners(self, key: str) -> np.ndarray:
        """Return (N,) int64: the index in `agreement` of each face of model `key`, -1 for no match."""
        partners = np.full(len(self.faces[key]), -1)
        if self.agreement is not None:
            column = list(self.faces).index(key)
            partners[self.agreement.pairs[:, column]] = np.arange(self.agreement.both)
        return partners

    def hidden(self, photo: Photo, hide: Hide) -> Photo:
        """Return the photo, of any size, with the faces that any model found made unrecognisable."""
        faces = self._all_faces().scaled(photo.width / self.width, photo.height / self.height)
        return decode_photo(annotate(photo, faces, "#000000", hide=hide, only=[]))

    def annotated(
        self,
        photo: Photo,
        *,
        landmarks: bool = True,
        scores: bool = True,
        differences: bool = False,
        hide: Hide | None = None,
    ) -> np.ndarray:
        """Return the photo once per model with a title and its faces, as one (H, W, 3) uint8 RGB image.

        differences: draw only the faces without a match.
        """
        background = photo if hide is None else self.hidden(photo, hide)
        drawn = []
        for key, faces in self.faces.items():
            only = np.flatnonzero(self.partners(key) < 0) if differences else None
            image = annotate(
                background, faces, detector_entry(key).colour, landmarks=landmarks, scores=scores, only=only
            )
            title = f"{detector_entry(key).name}: {faces_text(len(faces))}"
            band = title_band(title, detector_entry(key).colour, photo.width)
            drawn.append(np.vstack((band, image)))
        return np.vstack(drawn) if photo.width > _LANDSCAPE * photo.height else np.hstack(drawn)

    def annotated_file(
        self,
        photo: Photo,
        kind: Literal["png", "jpeg"],
        *,
        landmarks: bool = True,
        scores: bool = True,
        differences: bool = False,
        hide: Hide | None = None,
    ) -> bytes:
        """Return `annotated` as a file. Raises ImageError when memory runs out."""
        task = f"Drawing the faces of {self.name} at full size ({self.width} x {self.height} pixels)"
        with memory_errors_as_sentence(task, "close other programs or use a smaller photo"):
            image = self.annotated(
                photo, landmarks=landmarks, scores=scores, differences=differences, hide=hide
            )
            return encode_image(image, kind)

    def photo_entry(self) -> dict[str, object]:
        """Return the photo's entry in `detections_document`."""
        models = {
            key: {
                **self._in_photo(faces).to_dict(),
                "milliseconds": {
                    stage: round(spent, _MILLISECOND_DECIMALS)
                    for stage, spent in self.results[key].milliseconds.items()
                },
                **_passes_entry(faces, self.results[key].passes),
            }
            for key, faces in self.faces.items()
        }
        decode = self.decode_milliseconds
        return {
            "photo": self.name,
            "width": self.width,
            "height": self.height,
            "decode_milliseconds": None if decode is None else round(decode, _MILLISECOND_DECIMALS),
            "models": models,
        }

    def to_json(self) -> str:
        """Return the `detections_document` of this photo as JSON."""
        weights = {key: result.weights for key, result in self.results.items()}
        return json.dumps(detections_document(weights, self.settings, [self.photo_entry()]), indent=1)

    def to_csv(self) -> str:
        """Return one line per face: model, number of the match, box, score, landmarks.

        Matches are numbered from 1, as on the Detection page; -1 stands for no match.
        """
        rows = [
            {"model": key, "match": int(partner) + 1 if partner >= 0 else -1, **record}
            for key, faces in self.faces.items()
            for partner, record in zip(self.partners(key), self._in_photo(faces).to_records(), strict=True)
        ]
        text = io.StringIO()
        writer = csv.DictWriter(text, ("model", "match", *COLUMNS), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()

    def to_coco(self, key: str) -> str:
        """Return the faces of model `key` as COCO results, which pycocotools' `COCO.loadRes` reads.

        The image id is the file name without its extension, as an integer if it is one, as in COCO itself.
        """
        return json.dumps(self._in_photo(self.faces[key]).to_coco(coco_image_id(self.name)))

    def _in_photo(self, faces: Detections) -> Detections:
        """Return faces as files hold them, with boxes that end where the photo does."""
        return faces.clipped(self.width, self.height)

    def _all_faces(self) -> Detections:
        """Return the faces of all models, ordered by score."""
        parts = (
            np.concatenate([getattr(faces, name) for faces in self.faces.values()])
            for name in ("boxes", "scores", "landmarks")
        )
        boxes, scores, landmarks = parts
        order = np.argsort(-scores, kind="stable")
        return Detections(boxes[order], scores[order], landmarks[order])


def compare(
    name: str,
    size: tuple[int, int],
    results: Mapping[str, DetectionResult],
    settings: Mapping[str, DetectionSettings],
    decode_milliseconds: float | None = None,
) -> Comparison:
    """Filter what the networks returned for a photo of `size` (width, height) by each model's settings."""
    faces = {
        key: select(result.detections, settings[key].confidence, settings[key].nms_iou, settings[key].top_k)
        for key, result in results.items()
    }
    return Comparison(name, *size, results, settings, faces, decode_milliseconds)


def detections_document(
    weights: Mapping[str, WeightsFile],
    settings: Mapping[str, DetectionSettings],
    photos: Sequence[Mapping[str, object]],
) -> dict[str, object]:
    """Return the JSON layout of detections, the same from the dashboard and from `featherface detect`.

    `photos` are photo entries or, for files that cannot be read, {"photo": name, "error": sentence}.
    """
    return {
        "weights": {
            key: {"file": file.path.name, "sha256": file.sha256, "source": file.source}
            for key, file in weights.items()
        },
        "settings": {key: _settings_entry(chosen) for key, chosen in settings.items()},
        "photos": list(photos),
    }


def _settings_entry(settings: DetectionSettings) -> dict[str, object]:
    return {
        "confidence": settings.confidence,
        "nms_iou": settings.nms_iou,
        "top_k": settings.top_k,
        "resize": settings.resize.value,
        "input_size": settings.input_size,
        "scales": settings.scales.value,
        "rotated": settings.rotated,
    }


def _passes_entry(faces: Detections, passes: Sequence[Pass]) -> dict[str, object]:
    """Return the runs of a network and which of them found each face; nothing where there was one run."""
    if faces.found_by is None:
        return {}
    return {
        "passes": [
            {
                "input_size": one.raw.input_size[::-1],
                "degrees": one.degrees,
                "milliseconds": round(sum(one.raw.milliseconds.values()), _MILLISECOND_DECIMALS),
            }
            for one in passes
        ],
        "found_by": faces.found_by.tolist(),
    }
