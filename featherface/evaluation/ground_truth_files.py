"""Ground truth of photos as files: the text that WIDER FACE uses, and COCO JSON."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from featherface.errors import FeatherFaceError, sentence
from featherface.evaluation.marked_photo import MAX_FACES, Box, MarkedPhoto, as_array, as_boxes
from featherface.evaluation.wider_zip import WiderZipError, read_annotations

__all__ = [
    "GroundTruthFile",
    "GroundTruthFileError",
    "PhotoFaces",
    "coco_image_id",
    "file_name_key",
    "read_ground_truth_file",
    "to_coco_json",
    "to_wider_text",
]

_EVENT = "photos"  # WIDER FACE sorts its images into folders, one per event
_NO_FACE = "0 0 0 0 0 0 0 0 0 0"  # the line of an image without faces
_NO_ATTRIBUTES = "0 0 0 0 0 0"  # blur, expression, illumination, invalid, occlusion, pose
_CATEGORY = {"id": 1, "name": "face"}
_COMPLETE = "all_faces_marked"  # a field of our own per image; other programs ignore it
_DECIMALS = 2  # of a pixel, in COCO files
_MAX_NUMBER = 1e9  # pixels


class GroundTruthFileError(FeatherFaceError):
    """A file is not ground truth that can be read; the message names the file and says why."""


@dataclass(frozen=True)
class PhotoFaces:
    """The faces of a photo of `width` x `height` pixels and the name of its file.

    complete: these are all faces of the photo.
    """

    name: str
    width: int
    height: int
    faces: tuple[Box, ...]
    complete: bool = True


@dataclass(frozen=True)
class GroundTruthFile:
    """What a file says about its images, by `file_name_key`.

    repeated: names that several images have; they are not among `images`, as they do not tell photos apart.
    """

    images: Mapping[str, MarkedPhoto]
    repeated: frozenset[str]


def to_wider_text(photos: Sequence[PhotoFaces]) -> str:
    """Return the annotations as WIDER FACE's `wider_face_..._bbx_gt.txt` has them, in whole pixels.

    The format cannot say that faces of a photo are not marked. Photos of the same name lie in folders of
    their own, since a folder holds a name once.
    """
    lines: list[str] = []
    names: Counter[str] = Counter()
    for photo in photos:
        names[photo.name] += 1
        count = names[photo.name]
        lines += [f"{_EVENT}{f'_{count}' if count > 1 else ''}/{photo.name}", str(len(photo.faces))]
        lines += [_wider_line(box) for box in photo.faces] or [_NO_FACE]
    return "".join(f"{line}\n" for line in lines)


def to_coco_json(photos: Sequence[PhotoFaces]) -> str:
    """Return the annotations as a COCO file, which pycocotools' `COCO` reads.

    The image ids are those of `coco_image_id`, as in the results files of the models. Each image says whether
    all of its faces are marked.
    """
    ids: Counter[int | str] = Counter()
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for photo in photos:
        image_id = coco_image_id(photo.name)
        ids[image_id] += 1
        if ids[image_id] > 1:  # photos of the same name
            image_id = f"{image_id}_{ids[image_id]}"
        images.append(
            {
                "id": image_id,
                "file_name": photo.name,
                "width": photo.width,
                "height": photo.height,
                _COMPLETE: photo.complete,
            }
        )
        for x1, y1, x2, y2 in as_array(photo.faces).round(_DECIMALS).tolist():
            width, height = round(x2 - x1, _DECIMALS), round(y2 - y1, _DECIMALS)
            annotations.append(
                {
                    "id": len(annotations) + 1,  # pycocotools takes 0 for no match
                    "image_id": image_id,
                    "category_id": _CATEGORY["id"],
                    "bbox": [x1, y1, width, height],
                    "area": round(width * height, _DECIMALS),
                    "iscrowd": 0,
                }
            )
    return json.dumps({"images": images, "annotations": annotations, "categories": [_CATEGORY]}, indent=1)


def coco_image_id(name: str) -> int | str:
    """Return a file name without its extension, as an integer if it is one, as in COCO itself."""
    stem = Path(name).stem
    return int(stem) if stem.isdecimal() else stem


def file_name_key(name: str) -> str:
    """Return the form of a path or file name by which ground truth and photos are matched."""
    return unicodedata.normalize("NFC", name).replace("\\", "/").rsplit("/", 1)[-1].strip().casefold()


def read_ground_truth_file(data: bytes, name: str) -> GroundTruthFile:
    """Read WIDER FACE annotations or a COCO file; ignored faces are left out.

    Unless the file says otherwise, all faces of its images are marked. name: of the file, for messages.
    Raises GroundTruthFileError.
    """
    try:
        if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
            found = _coco_images(json.loads(data.decode("utf-8-sig")))
        else:
            found = [_Image(path, boxes[~ignore]) for path, (boxes, ignore) in read_annotations(data)]
    except WiderZipError as error:
        raise GroundTruthFileError(sentence(f"{name}: {error}")) from error
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError) as error:
        raise GroundTruthFileError(sentence(f"{name} is not a readable COCO file.")) from error
    if not found:
        raise GroundTruthFileError(sentence(f"{name} contains no images."))
    many = [image.key for image in found if len(image.boxes) > MAX_FACES]
    if many:
        raise GroundTruthFileError(
            sentence(f"{name} has more than {MAX_FACES:,} faces for {many[0][:80]!r}.")
        )
    counts = Counter(image.key for image in found)
    return GroundTruthFile(
        {
            image.key: MarkedPhoto(as_boxes(image.boxes), complete=image.complete)
            for image in found
            if counts[image.key] == 1
        },
        frozenset(key for key, count in counts.items() if count > 1),
    )


@dataclass(frozen=True, eq=False)
class _Image:
    """An image in a file: its path, and its boxes (F, 4)."""

    path: str
    boxes: np.ndarray
    complete: bool = True

    @property
    def key(self) -> str:
        return file_name_key(self.path)


def _coco_images(document: Mapping[str, Any]) -> list[_Image]:
    """Return the images of a COCO file. Raises what a malformed document causes."""
    boxes: dict[int | str, list[list[float]]] = {image["id"]: [] for image in document["images"]}
    if len(boxes) < len(document["images"]):
        raise ValueError("two images have the same id")
    for annotation in document["annotations"]:
        if not annotation.get("iscrowd"):
            boxes[annotation["image_id"]].append([float(value) for value in annotation["bbox"]])
    return [
        _Image(image["file_name"], _corners(boxes[image["id"]]), image.get(_COMPLETE) is not False)
        for image in document["images"]
    ]


def _corners(listed: Sequence[Sequence[float]]) -> np.ndarray:
    """Return boxes x, y, width, height as (F, 4) corners, empty ones left out. Raises ValueError."""
    corners = np.array(listed, np.float64).reshape(len(listed), 4)
    if not (np.abs(corners) <= _MAX_NUMBER).all():  # NaN fails too
        raise ValueError("a box is not of finite numbers")
    corners[:, 2:] += corners[:, :2]
    return np.asarray(corners[(corners[:, 2:] > corners[:, :2]).all(axis=1)])


def _wider_line(box: Box) -> str:
    x1, y1, x2, y2 = (round(value) for value in box)
    return f"{x1} {y1} {max(x2 - x1, 1)} {max(y2 - y1, 1)} {_NO_ATTRIBUTES}"
