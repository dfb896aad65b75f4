from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from featherface.checkpoints import load_network
from featherface.config import CANDIDATE_FLOOR, WEIGHTS_DIR
from featherface.detection import detector as detector_module
from featherface.detection.detections import Detections
from featherface.detection.detector import Detector
from featherface.detection.images import ImageError, Photo, decode_photo
from featherface.detection.postprocess import select
from featherface.detection.preprocess import Resize
from featherface.detection.settings import DetectionSettings, SettingsError
from featherface.engines.choice import installed_engines, load_engine
from featherface.models import MODELS

SAMPLES = WEIGHTS_DIR.parent / "assets" / "samples"


@pytest.fixture(scope="module")
def portrait() -> Photo:
    return decode_photo(SAMPLES / "eileen_collins.jpg")


@pytest.fixture(scope="module")
def other_portrait() -> Photo:
    return decode_photo(SAMPLES / "grace_hopper.jpg")


def assert_same(actual: Detections, expected: Detections) -> None:
    assert len(actual) == len(expected)
    np.testing.assert_allclose(actual.boxes, expected.boxes, atol=0.05)
    np.testing.assert_allclose(actual.scores, expected.scores, atol=1e-4)
    np.testing.assert_allclose(actual.landmarks, expected.landmarks, atol=0.05)


@pytest.mark.parametrize("name", ["astronaut", "solvay1927"])
@pytest.mark.parametrize(("resize", "kind"), [(Resize.STUDY, "stretch640"), (Resize.ORIGINAL, "original")])
def test_published_v1_finds_what_the_reference_finds(
    shared: Path, published_v1_detector: Detector, name: str, resize: Resize, kind: str
) -> None:
    golden = np.load(shared / f"reference/v1_published_{name}.npz")
    photo = decode_photo(shared / f"reference/{name}.png")
    (raw,) = published_v1_detector.candidates([photo], resize, 640)
    for confidence in (CANDIDATE_FLOOR, 0.5):
        faces = select(raw.candidates, confidence, 0.4)
        expected = golden[f"{kind}_scores"] > confidence
        assert len(faces) == expected.sum()
        np.testing.assert_allclose(faces.boxes, golden[f"{kind}_boxes"][expected], atol=0.5)
        np.testing.assert_allclose(faces.scores, golden[f"{kind}_scores"][expected], atol=1e-3)
        points = golden[f"{kind}_landmarks"][expected].reshape(-1, 5, 2)
        np.testing.assert_allclose(faces.landmarks, points, atol=0.5)


@pytest.mark.parametrize("key", MODELS)
def test_every_engine_finds_the_same_faces(key: str) -> None:
    network = load_network(MODELS[key], WEIGHTS_DIR / MODELS[key].weights)
    detectors = [Detector(load_engine(network, engine)) for engine in installed_engines()]
    photos = [decode_photo(SAMPLES / name).shrunk(401) for name in ("eileen_collins.jpg", "size_ladder.jpg")]
    for resize, input_size in ((Resize.FIT, 333), (Resize.STUDY, 320), (Resize.ORIGINAL, 0)):
        expected, *others = (
            [
                select(raw.candidates, CANDIDATE_FLOOR, 0.4)
                for raw in detector.candidates(photos, resize, input_size)
            ]
            for detector in detectors
        )
        assert all(len(faces) for faces in expected)
        for found in others:
            for actual, reference in zip(found, expected, strict=True):
                assert_same(actual, reference)


def test_published_v1_finds_everybody_in_a_group_photo(shared: Path, published_v1_detector: Detector) -> None:
    photo = decode_photo(shared / "reference/solvay1927.png")
    faces = published_v1_detector.detect(photo, DetectionSettings(input_size=1024))
    assert len(faces) == 29  # the people in the photo


def test_landmarks_come_in_the_order_of_their_names(v1_detector: Detector, portrait: Photo) -> None:
    faces = v1_detector.detect(portrait, DetectionSettings())
    assert len(faces) == 1
    left_eye, right_eye, nose, left_mouth, right_mouth = faces.landmarks[0]
    assert left_eye[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


def test_a_batch_equals_single_photos(
    v1_detector: Detector, portrait: Photo, other_portrait: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirrored = decode_photo(portrait.pixels[:, ::-1])
    photos = [portrait, other_portrait, mirrored, portrait]
    singles = [v1_detector.candidates([photo], input_size=256)[0] for photo in photos]
    for most_pixels in (256 * 256 * 10, 256 * 256 * 2, 1):  # all at once, two at a time, one by one
        monkeypatch.setattr(detector_module, "MAX_BATCH_PIXELS", most_pixels)
        for batched, single in zip(v1_detector.candidates(photos, input_size=256), singles, strict=True):
            assert batched.input_size == single.input_size
            assert set(batched.milliseconds) == {"preprocess", "network", "postprocess"}
            assert_same(select(batched.candidates, 0.1, 0.4), select(single.candidates, 0.1, 0.4))


def test_no_photos(v1_detector: Detector) -> None:
    assert v1_detector.candidates([]) == []


def test_threads_share_a_detector(v1_detector: Detector, portrait: Photo) -> None:
    def boxes(input_size: int) -> np.ndarray:
        return v1_detector.detect(portrait, DetectionSettings(input_size=input_size)).boxes

    input_sizes = [128, 192, 256] * 2
    with ThreadPoolExecutor(4) as pool:
        for input_size, found in zip(input_sizes, pool.map(boxes, input_sizes), strict=True):
            np.testing.assert_allclose(found, boxes(input_size), atol=0.05)


@pytest.mark.parametrize("shape", [(1, 1), (1, 30_000), (30_000, 1), (31, 33), (7, 500)])
@pytest.mark.parametrize("resize", Resize)
def test_tiny_and_extremely_long_photos(
    v1_detector: Detector, shape: tuple[int, int], resize: Resize
) -> None:
    photo = decode_photo(np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8))
    (raw,) = v1_detector.candidates([photo], resize, 128)
    assert np.isfinite(raw.candidates.boxes).all()


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_boxes_are_in_pixels_of_the_photo(v1_detector: Detector, portrait: Photo, scale: float) -> None:
    (face,) = v1_detector.detect(portrait, DetectionSettings(input_size=512)).boxes
    height, width = round(portrait.height * scale), round(portrait.width * scale)
    # off centre on black, in a photo of another aspect ratio
    wide = np.zeros((height, width * 3, 3), np.uint8)
    wide[:, width : 2 * width] = cv2.resize(portrait.pixels, (width, height), interpolation=cv2.INTER_AREA)
    found = v1_detector.detect(decode_photo(wide), DetectionSettings(input_size=1280))
    assert len(found) == 1
    np.testing.assert_allclose(found.boxes[0], face * scale + (width, 0, width, 0), atol=6 * scale)


@pytest.mark.parametrize(
    "failure",
    [
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        cv2.error("OpenCV: (-4:Insufficient memory) Failed to allocate 9 bytes"),
    ],
    ids=["NumPy", "PyTorch", "OpenCV"],
)
def test_a_lack_of_memory_is_one_sentence(
    v1_detector: Detector, portrait: Photo, failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(detector_module, "decode_candidates", fail)
    with pytest.raises(ImageError, match="A photo needs more memory than is free; choose a smaller input"):
        v1_detector.candidates([portrait], input_size=128)


def test_the_network_itself_is_left_alone() -> None:
    network = MODELS["v2"].builder().train()
    names = list(network.state_dict())
    Detector(load_engine(network))
    assert network.training
    assert list(network.state_dict()) == names
    assert next(network.parameters()).is_contiguous()


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"confidence": 0.01}, "confidence must be between 0.02 and 0.99"),
        ({"confidence": float("nan")}, "confidence"),
        ({"nms_iou": 0.95}, "NMS IoU"),
        ({"input_size": 31}, "input size must be between 128 and 1,920"),
        ({"top_k": 0}, "at least 1"),
        ({"resize": "stretch"}, "fit, original, study"),
    ],
)
def test_settings_out_of_range(choice: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        DetectionSettings(**choice)
