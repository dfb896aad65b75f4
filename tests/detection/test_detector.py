from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from featherface.config import CANDIDATE_FLOOR
from featherface.detection import detector as detector_module
from featherface.detection.detections import Detections
from featherface.detection.detector import Detector
from featherface.detection.images import Photo, decode_photo
from featherface.detection.postprocess import select
from featherface.detection.preprocess import Resize
from featherface.detection.settings import DetectionSettings, SettingsError
from featherface.models import MODELS


@pytest.fixture(scope="module")
def solvay(shared: Path) -> Photo:
    return decode_photo(shared / "reference/solvay1927.png")


@pytest.fixture(scope="module")
def astronaut(shared: Path) -> Photo:
    return decode_photo(shared / "reference/astronaut.png")


def assert_same(actual: Detections, expected: Detections) -> None:
    assert len(actual) == len(expected)
    np.testing.assert_allclose(actual.boxes, expected.boxes, atol=0.05)
    np.testing.assert_allclose(actual.scores, expected.scores, atol=1e-4)
    np.testing.assert_allclose(actual.landmarks, expected.landmarks, atol=0.05)


@pytest.mark.parametrize("picture", ["astronaut", "solvay1927"])
@pytest.mark.parametrize(("resize", "kind"), [(Resize.STUDY, "stretch640"), (Resize.ORIGINAL, "original")])
def test_published_v1_finds_what_the_reference_finds(
    shared: Path, v1_detector: Detector, picture: str, resize: Resize, kind: str
) -> None:
    golden = np.load(shared / f"reference/v1_published_{picture}.npz")
    photo = decode_photo(shared / f"reference/{picture}.png")
    (raw,) = v1_detector.candidates([photo], resize, 640)
    for confidence in (CANDIDATE_FLOOR, 0.5):
        faces = select(raw.candidates, confidence, 0.4)
        expected = golden[f"{kind}_scores"] > confidence
        assert len(faces) == expected.sum()
        np.testing.assert_allclose(faces.boxes, golden[f"{kind}_boxes"][expected], atol=0.5)
        np.testing.assert_allclose(faces.scores, golden[f"{kind}_scores"][expected], atol=1e-3)
        points = golden[f"{kind}_landmarks"][expected].reshape(-1, 5, 2)
        np.testing.assert_allclose(faces.landmarks, points, atol=0.5)


def test_fit_finds_everybody(v1_detector: Detector, solvay: Photo) -> None:
    faces = v1_detector.detect(solvay, DetectionSettings(side=1024))
    assert len(faces) == 29  # the people in the photo
    left_eye, right_eye, nose, *mouth = np.moveaxis(faces.landmarks, 1, 0)
    assert (left_eye[:, 0] < right_eye[:, 0]).mean() > 0.9
    assert (nose[:, 1] < (mouth[0] + mouth[1])[:, 1] / 2).all()


def test_a_batch_equals_single_photos(
    v1_detector: Detector, solvay: Photo, astronaut: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirrored = decode_photo(solvay.pixels[:, ::-1])
    photos = [solvay, astronaut, mirrored, solvay]
    singles = [v1_detector.candidates([photo], side=320)[0] for photo in photos]
    for most_pixels in (320 * 320 * 10, 320 * 144 * 2, 1):  # all at once, two at a time, one by one
        monkeypatch.setattr(detector_module, "MAX_BATCH_PIXELS", most_pixels)
        for batched, single in zip(v1_detector.candidates(photos, side=320), singles, strict=True):
            assert batched.input_size == single.input_size
            assert set(batched.milliseconds) == {"preprocess", "network", "postprocess"}
            assert_same(select(batched.candidates, 0.1, 0.4), select(single.candidates, 0.1, 0.4))


def test_no_photos(v1_detector: Detector) -> None:
    assert v1_detector.candidates([]) == []


def test_threads_share_a_detector(v1_detector: Detector, solvay: Photo) -> None:
    def boxes(side: int) -> np.ndarray:
        return v1_detector.detect(solvay, DetectionSettings(side=side)).boxes

    sides = [160, 256, 320] * 3
    with ThreadPoolExecutor(4) as pool:
        for side, found in zip(sides, pool.map(boxes, sides), strict=True):
            np.testing.assert_allclose(found, boxes(side), atol=0.05)


@pytest.mark.parametrize("shape", [(1, 1), (1, 30_000), (30_000, 1), (31, 33), (7, 500)])
@pytest.mark.parametrize("resize", Resize)
def test_the_smallest_and_the_oddest_photos(
    v1_detector: Detector, shape: tuple[int, int], resize: Resize
) -> None:
    photo = decode_photo(np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8))
    (raw,) = v1_detector.candidates([photo], resize, 128)
    assert np.isfinite(raw.candidates.boxes).all()


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_boxes_come_back_in_pixels_of_the_photo(
    v1_detector: Detector, astronaut: Photo, scale: float
) -> None:
    (face,) = v1_detector.detect(astronaut, DetectionSettings(side=512)).boxes
    side = round(512 * scale)
    padded = np.zeros((side // 2, side * 3, 3), np.uint8)  # off centre, aspect 6 : 1, half the photo cut off
    resized = (
        np.repeat(np.repeat(astronaut.pixels, 2, 0), 2, 1) if scale > 1 else astronaut.shrunk(side).pixels
    )
    padded[:, side : 2 * side] = resized[: side // 2]
    found = v1_detector.detect(decode_photo(padded), DetectionSettings(side=1536))
    assert len(found) == 1
    np.testing.assert_allclose(found.boxes[0], face * scale + (side, 0, side, 0), atol=6 * scale)


def test_the_network_itself_is_left_alone() -> None:
    network = MODELS["v2"].builder().train()
    names = list(network.state_dict())
    Detector(network)
    assert network.training
    assert list(network.state_dict()) == names
    assert next(network.parameters()).is_contiguous()


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"confidence": 0.01}, "confidence must be between 0.02 and 0.99"),
        ({"confidence": float("nan")}, "confidence"),
        ({"nms_iou": 0.95}, "NMS IoU"),
        ({"side": 31}, "input size must be between 128 and 1,920"),
        ({"top_k": 0}, "at least 1"),
        ({"resize": "stretch"}, "fit, original, study"),
    ],
)
def test_settings_out_of_range(choice: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        DetectionSettings(**choice)
