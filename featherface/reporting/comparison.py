"""Two models' faces in one photo, and the files that they become."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from featherface.detection.agreement import Agreement, agreement
from featherface.detection.detections import Detections, coco_document
from featherface.detection.drawing import Hide, annotate
from featherface.detection.images import Photo, decode_photo
from featherface.detection.postprocess import select
from featherface.detection.settings import DetectionSettings
from featherface.models import MODELS
from featherface.serving.model_service import DetectionResult

__all__ = ["Comparison", "compare"]

_LANDSCAPE = 2.0  # photos wider than this go one below the other


@dataclass(frozen=True, eq=False)
class Comparison:
    """Faces that up to two models found in one photo of `width` x `height` pixels.

    results: what each model made of the photo before any filter, by the model's key. settings and faces: of
    the same models.
    """

    name: str
    width: int
    height: int
    results: Mapping[str, DetectionResult]
    settings: Mapping[str, DetectionSettings]
    faces: Mapping[str, Detections]

    @cached_property
    def agreement(self) -> Agreement | None:
        """Where the two models agree; None where only one has a result."""
        return agreement(*self.faces.values()) if len(self.faces) == 2 else None

    def partners(self, key: str) -> np.ndarray:
        """Return (N,) int64: for each face of model `key` the number of its match, or -1."""
        partners = np.full(len(self.faces[key]), -1)
        if self.agreement is not None:
            column = list(self.faces).index(key)
            partners[self.agreement.pairs[:, column]] = np.arange(self.agreement.both)
        return partners

    def hidden(self, photo: Photo, hide: Hide) -> Photo:
        """Return the photo, of any size, with every face that any of the models found unrecognisable."""
        faces = self._everyone().scaled(photo.width / self.width, photo.height / self.height)
        return decode_photo(annotate(photo, faces, "#000000", hide=hide, only=[]))

    def annotated(
        self, photo: Photo, *, landmarks: bool, scores: bool, differences: bool, hide: Hide | None
    ) -> np.ndarray:
        """Return the photo once a model with its faces, (H, W, 3) uint8 RGB, beside or below each other."""
        ground = photo if hide is None else self.hidden(photo, hide)
        drawn = []
        for key, faces in self.faces.items():
            only = np.flatnonzero(self.partners(key) < 0) if differences else None
            picture = annotate(
                ground, faces, MODELS[key].colour, landmarks=landmarks, scores=scores, only=only
            )
            drawn.append(np.vstack((_title(key, len(faces), photo.width), picture)))
        return np.vstack(drawn) if photo.width > _LANDSCAPE * photo.height else np.hstack(drawn)

    def to_json(self) -> str:
        """Return everything as JSON, laid out as `python -m featherface detect --json` does."""
        models = {
            key: {
                "settings": {
                    "confidence": self.settings[key].confidence,
                    "nms_iou": self.settings[key].nms_iou,
                    "resize": self.settings[key].resize,
                    "side": self.settings[key].side,
                },
                **faces.to_dict(),
                "milliseconds": {
                    stage: round(spent, 3) for stage, spent in self.results[key].milliseconds.items()
                },
            }
            for key, faces in self.faces.items()
        }
        weights = {
            key: {"file": result.weights.path.name, "sha256": result.weights.sha256}
            for key, result in self.results.items()
        }
        entry = {"photo": self.name, "width": self.width, "height": self.height, "models": models}
        return json.dumps({"weights": weights, "photos": [entry]}, indent=1)

    def to_csv(self) -> str:
        """Return one line a face: model, partner's number or -1, box, score, landmarks."""
        rows = [
            {"model": key, "match": int(partner), **record}
            for key, faces in self.faces.items()
            for partner, record in zip(self.partners(key), faces.to_records(), strict=True)
        ]
        if not rows:
            return "model,match\n"
        text = io.StringIO()
        writer = csv.DictWriter(text, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()

    def to_coco(self) -> str:
        """Return one COCO document; each annotation also carries its model's key."""
        document = coco_document([(self.name, self.width, self.height, self._everyone())])
        keys = [key for key, faces in self.faces.items() for _ in range(len(faces))]
        for annotation, key in zip(document["annotations"], keys, strict=True):
            annotation["model"] = key
        return json.dumps(document)

    def _everyone(self) -> Detections:
        """Return the faces of all models one after the other, which is not by score."""
        return Detections(
            *(
                np.concatenate([getattr(faces, name) for faces in self.faces.values()])
                for name in ("boxes", "scores", "landmarks")
            )
        )


def compare(
    name: str,
    size: tuple[int, int],
    results: Mapping[str, DetectionResult],
    settings: Mapping[str, DetectionSettings],
) -> Comparison:
    """Filter what the networks made of a photo of `size` (width, height) by each model's settings."""
    faces = {
        key: select(result.detections, settings[key].confidence, settings[key].nms_iou, settings[key].top_k)
        for key, result in results.items()
    }
    return Comparison(name, *size, results, settings, faces)


def _title(key: str, count: int, width: int) -> np.ndarray:
    """Return a band, (H, width, 3) uint8 RGB, that says whose faces are below it."""
    scale = max(0.35, width / 1200)
    text = f"{MODELS[key].name}: {count} face{'s' * (count != 1)}"
    (_, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    band = np.full((3 * height, width, 3), 255, np.uint8)
    band[:, : max(2, height // 2)] = np.frombuffer(bytes.fromhex(MODELS[key].colour[1:]), np.uint8)
    origin = height, 2 * height
    cv2.putText(
        band,
        text,
        origin,
        cv2.FONT_HERSHEY_SIMPLEX,
        scale,
        (29, 37, 40),
        max(1, round(1.5 * scale)),
        cv2.LINE_AA,
    )
    return band
