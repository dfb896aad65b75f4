"""Causes of missed faces, and that boxes of changed photos are mapped back; seeded misses have a file."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from featherface.checkpoints import load_network, shipped_weights
from featherface.config import WEIGHTS_DIR
from featherface.detection.detections import Detections
from featherface.detection.detector import Detector, RawResult
from featherface.detection.images import Photo, decode_photo
from featherface.detection.multiscale import Run
from featherface.detection.preprocess import Resize
from featherface.detection.settings import DetectionSettings
from featherface.engines.choice import load_engine
from featherface.models import MODELS
from featherface.reporting.missed_face_text import missed_face_text
from featherface.robustness.missed_faces import CHANGES, Cause, Change, Spot, attempts, explain

SAMPLES = Path(__file__).resolve().parents[2] / "assets/samples"
EILEEN, GRACE = (130, 30, 320, 220), (120, 60, 420, 400)  # face and hair, in pixels of the sample
SETTINGS = DetectionSettings()


@pytest.fixture(scope="module", params=list(MODELS))
def run(request: pytest.FixtureRequest) -> Run:
    entry = MODELS[request.param]
    shipped = shipped_weights(entry, WEIGHTS_DIR)
    assert shipped is not None
    detector = Detector(load_engine(load_network(entry, shipped.path, shipped.sha256)))
    return lambda photo, resize, input_size: detector.candidates([photo], resize, input_size)[0]


def sample(name: str, window: tuple[int, int, int, int], height: int) -> np.ndarray:
    """A portrait cut from a sample, resized to `height` pixels."""
    left, top, right, bottom = window
    pixels = decode_photo(SAMPLES / f"{name}.jpg").pixels[top:bottom, left:right]
    width = round(height * (right - left) / (bottom - top))
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)


def on_grey(*portraits: tuple[np.ndarray, int, int], size: tuple[int, int] = (640, 480)) -> Photo:
    """A grey photo with portraits at their left and top."""
    canvas = np.full((size[1], size[0], 3), 118, np.uint8)
    for pixels, left, top in portraits:
        canvas[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return Photo(canvas)


PORTRAITS = [("eileen_collins", EILEEN), ("grace_hopper", GRACE)]


@pytest.mark.parametrize(("name", "window"), PORTRAITS)
def test_nothing_there(run: Run, name: str, window: tuple[int, int, int, int]) -> None:
    photo = on_grey((sample(name, window, 120), 40, 40))
    spot = Spot(500, 400)
    tried = attempts(photo, spot, SETTINGS, lambda *_: RawResult(Detections.empty(), {}, (480, 640)))
    explanation = explain(run(photo, Resize.FIT, 640).candidates, spot, SETTINGS, 1.0, tried)
    assert (explanation.cause, explanation.score, explanation.box) == (Cause.NO_CANDIDATE, 0.0, None)
    assert missed_face_text("V9", explanation, SETTINGS) == (
        "V9 has no candidate here. No single change of the photo brings it back."
    )


@pytest.mark.parametrize(("quarters", "name"), [(1, "turned right by 90°"), (3, "turned left by 90°")])
def test_turning_a_face_upright_brings_it_back(run: Run, quarters: int, name: str) -> None:
    upright = decode_photo(SAMPLES / "eileen_collins.jpg").pixels
    photo = Photo(np.ascontiguousarray(np.rot90(upright, quarters)))
    x, y = (120, 512 - 224) if quarters == 1 else (512 - 120, 224)
    tried = {attempt.change.name: attempt for attempt in attempts(photo, Spot(x, y), SETTINGS, run)}
    assert list(tried) == [change.name for change in CHANGES]
    assert tried[name].found
    box = tried[name].box
    assert box is not None
    assert box[0] < x < box[2]
    assert box[1] < y < box[3]


def scored(*rows: tuple[float, float, float, float, float]) -> Detections:
    table = np.array(rows, np.float32).reshape(-1, 5)
    return Detections(table[:, :4], table[:, 4], np.zeros((len(table), 5, 2), np.float32))


LARGE = (0.0, 0.0, 1000.0, 1000.0)


@pytest.mark.parametrize(
    ("candidates", "spot", "field", "cause"),
    [
        pytest.param(scored((0, 0, 9, 9, 0.6)), Spot(4, 4), None, Cause.FOUND, id="a point on a face"),
        pytest.param(scored((0, 0, 9, 9, 0.6)), Spot(8, 8), None, Cause.NO_CANDIDATE, id="its corner"),
        pytest.param(scored(), Spot(*LARGE), None, Cause.TOO_LARGE, id="too large"),
        pytest.param(scored(), Spot(*LARGE), 900, Cause.BEYOND_RECEPTIVE_FIELD, id="receptive field"),
        pytest.param(scored((*LARGE, 0.3)), Spot(*LARGE), 900, Cause.BELOW_THRESHOLD, id="large, yet seen"),
        pytest.param(scored((0, 0, 99, 99, 0.05)), Spot(50, 50), None, Cause.NO_CANDIDATE, id="background"),
    ],
)
def test_causes(candidates: Detections, spot: Spot, field: int | None, cause: Cause) -> None:
    assert explain(candidates, spot, SETTINGS, 1.0, receptive_field=field).cause is cause


def test_a_score_that_the_background_has_too_is_no_candidate() -> None:
    explanation = explain(scored((0, 0, 99, 99, 0.05)), Spot(50, 50), SETTINGS, 1.0)
    assert explanation.threshold is None
    assert missed_face_text("V9", explanation, SETTINGS) == (
        "V9 has no candidate here that stands out from the background (score 0.05)."
    )


def test_a_lower_threshold_that_would_not_help_is_not_promised() -> None:
    candidates = scored((0, 0, 100, 100, 0.9), (40, 0, 140, 100, 0.3))
    beside = explain(candidates, Spot(60, 0, 160, 100), SETTINGS, 1.0)
    assert (beside.cause, beside.threshold) == (Cause.BELOW_THRESHOLD, None)
    assert "a lower threshold does not show it" in missed_face_text("V9", beside, SETTINGS)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_boxes_of_a_changed_photo_are_mapped_back(change: Change) -> None:
    """A white block is where the mapped box says."""
    pixels = np.zeros((60, 90, 3), np.uint8)
    pixels[20:30, 50:65] = 250

    def block(photo: Photo, resize: Resize, input_size: int) -> RawResult:
        rows, columns = np.nonzero(photo.pixels[:, :, 0] > 200)
        box = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        return RawResult(scored((*box, 0.9)), {}, (60, 90))

    tried = attempts(Photo(pixels), Spot(57, 25), SETTINGS, block)
    boxes = {attempt.change.name: attempt.box for attempt in tried}
    assert boxes[change.name] == pytest.approx((50, 20, 65, 30), abs=2)  # sharpening widens it
