"""YuNet and CenterFace from a model file to faces in pixels of the photo, with tiny models made here."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from onnx import ModelProto, helper

from featherface.checkpoints.detector_files import detector_model, inspect_detector
from featherface.detection.face_finder import FinderError
from featherface.detection.images import Photo
from featherface.detection.other_detectors import OtherDetector, load_finder, try_model_file
from featherface.detection.postprocess import select
from featherface.models import OTHER_DETECTORS
from tests.detector_models import centerface_model, edited, yunet_model

CONTENT = {"yunet": yunet_model(), "centerface": centerface_model()}


def checked(content: bytes) -> bytes:
    return detector_model(inspect_detector(Path("own.onnx"), content))


def photo_with_square(width: int, height: int, left: int, top: int, size: int) -> npt.NDArray[np.uint8]:
    image = np.zeros((height, width, 3), np.uint8)
    image[top : top + size, left : left + size] = 255
    return image


def test_every_other_detector_has_a_model_here() -> None:
    assert set(CONTENT) == set(OTHER_DETECTORS)


@pytest.mark.parametrize(("width", "height"), [(160, 96), (150, 90), (96, 160)])  # also no multiple of 32
def test_yunet_finds_the_face_where_it_is(width: int, height: int) -> None:
    found = load_finder("yunet", checked(CONTENT["yunet"])).find(photo_with_square(width, height, 64, 32, 8))

    np.testing.assert_allclose(found.boxes, [[56, 24, 72, 40]])
    np.testing.assert_allclose(found.landmarks, [[[68, 36]] * 5])
    np.testing.assert_allclose(found.scores, 1, atol=1e-6)


def test_centerface_finds_the_face_where_it_is() -> None:
    found = load_finder("centerface", checked(CONTENT["centerface"])).find(
        photo_with_square(150, 90, 64, 32, 4)
    )

    np.testing.assert_allclose(found.boxes, [[58, 26, 74, 42]], atol=1e-4)
    np.testing.assert_allclose(found.landmarks[0, :2], [[62, 30], [70, 30]], atol=1e-4)  # the eyes
    np.testing.assert_allclose(found.scores, 1, atol=1e-6)


@pytest.mark.parametrize("key", CONTENT)
def test_faces_are_in_pixels_of_the_photo(key: str) -> None:
    """A photo twice as large as the input: the face is found at twice the place and size."""
    photo = Photo(photo_with_square(320, 192, 128, 64, 16))
    detector = OtherDetector(load_finder(key, checked(CONTENT[key])))

    (raw,) = detector.candidates([photo], input_size=160)

    assert raw.input_size == (96, 160)
    assert set(raw.milliseconds) == {"preprocess", "network", "postprocess"}
    (box,) = select(raw.candidates, 0.9, 0.1).boxes
    assert box[2] - box[0] == pytest.approx(32, abs=1e-3)
    assert box[:2] == pytest.approx((112, 48), abs=5)


def test_yunet_leaves_the_threads_of_opencv_as_they_were() -> None:
    before = cv2.getNumThreads()
    load_finder("yunet", checked(CONTENT["yunet"])).find(np.zeros((32, 32, 3), np.uint8))
    assert cv2.getNumThreads() == before


def half_of_the_cells(model: ModelProto) -> None:
    """OpenCV would read beyond the end of such an output."""
    pool = next(node for node in model.graph.node if node.output[0] == "cells_8")
    pool.attribute.remove(next(part for part in pool.attribute if part.name == "strides"))
    pool.attribute.append(helper.make_attribute("strides", [8, 16]))


def other_sizes(model: ModelProto) -> None:
    model.graph.node[0].attribute.remove(
        next(part for part in model.graph.node[0].attribute if part.name == "strides")
    )


def unknown_input(model: ModelProto) -> None:
    model.graph.node[1].input[0] = "nowhere"


@pytest.mark.parametrize(
    ("key", "change", "sentence"),
    [
        ("yunet", half_of_the_cells, "The model file is not a YuNet: its output cls_8 has the shape"),
        ("centerface", other_sizes, "The model file is not a CenterFace"),
        ("yunet", unknown_input, "The model file cannot be run"),
        ("centerface", unknown_input, "The model file cannot be run"),
    ],
)
def test_a_model_that_is_none_is_refused_with_a_sentence(key: str, change, sentence: str) -> None:
    with pytest.raises(FinderError, match=sentence):
        load_finder(key, checked(edited(CONTENT[key], change))).find(np.zeros((64, 96, 3), np.uint8))


def test_a_model_is_tried_in_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    try_model_file("yunet", checked(CONTENT["yunet"]))

    with pytest.raises(FinderError, match="is not a YuNet"):
        try_model_file("yunet", checked(edited(CONTENT["yunet"], half_of_the_cells)))
    monkeypatch.setattr("sys.executable", "/bin/false" if os.name == "posix" else "where")
    with pytest.raises(FinderError, match="crashes the library"):
        try_model_file("yunet", b"")
