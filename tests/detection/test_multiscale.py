"""Several passes over one photo, with a made-up network and with the shipped weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featherface.checkpoints import load_network, shipped_weights
from featherface.config import WEIGHTS_DIR
from featherface.detection.boxes import clip_boxes, iou_matrix
from featherface.detection.detections import Detections
from featherface.detection.detector import Detector, RawResult
from featherface.detection.images import Photo, decode_photo
from featherface.detection.multiscale import merge, run_passes, turned, turned_back
from featherface.detection.postprocess import select
from featherface.detection.preprocess import Resize
from featherface.engines.choice import load_engine
from featherface.models import MODELS

SAMPLES = Path(__file__).resolve().parents[2] / "assets/samples"

# Face boxes by hand, in pixels of the samples.
EILEEN = (176, 62, 272, 206)
GRACE = (165, 105, 355, 375)


class MadeUpNetwork:
    """Returns the candidates listed for an input's longer side, and keeps the sides it was asked for."""

    def __init__(self, **found: Detections) -> None:
        self.found = {int(name.removeprefix("px")): faces for name, faces in found.items()}
        self.input_sizes: list[int] = []

    def __call__(self, photo: Photo, resize: Resize, input_size: int) -> RawResult:
        longer = max(photo.width, photo.height)
        input_size = longer if resize is Resize.ORIGINAL else input_size
        self.input_sizes.append(input_size)
        size = round(photo.height * input_size / longer), round(photo.width * input_size / longer)
        return RawResult(self.found.get(input_size, Detections.empty()), {"network": 1.0}, size)


def scored(*rows: tuple[float, float, float, float, float]) -> Detections:
    """Detections from rows of a box and its score, best first."""
    table = np.array(sorted(rows, key=lambda row: -row[4]), np.float32).reshape(-1, 5)
    centres = (table[:, :2] + table[:, 2:4]) / 2
    return Detections(table[:, :4], table[:, 4], np.repeat(centres[:, None], 5, axis=1))


def blank(width: int, height: int) -> Photo:
    return Photo(np.zeros((height, width, 3), np.uint8))


def found(
    photo: Photo, network: MadeUpNetwork, input_size: int = 640, *, rotated: bool = False
) -> Detections:
    passes = run_passes(photo, network, Resize.FIT, input_size, scales=True, rotated=rotated)
    return select(merge(photo, passes), 0.5, 0.4)


def test_an_ordinary_photo_takes_one_pass() -> None:
    network = MadeUpNetwork(px640=scored((100, 100, 180, 200, 0.9)))
    faces = found(blank(640, 480), network)
    assert network.input_sizes == [640]
    assert len(faces) == 1
    assert faces.found_by is None


def test_without_scales_there_is_one_pass_whatever_is_in_the_photo() -> None:
    network = MadeUpNetwork(px640=scored((0, 0, 600, 640, 0.9), (0, 0, 8, 8, 0.9)))
    passes = run_passes(blank(2000, 2000), network, Resize.FIT, 640, scales=False, rotated=False)
    assert network.input_sizes == [640]
    assert len(passes) == 1


def test_parts_of_a_close_up_are_dropped() -> None:
    face = (20, 20, 600, 640)
    network = MadeUpNetwork(
        px640=scored((*face, 0.3), (150, 200, 260, 300, 0.8), (380, 200, 480, 300, 0.7)),  # and both eyes
        px320=scored((*face, 0.95)),
    )
    faces = found(blank(640, 640), network)
    assert network.input_sizes == [640, 320, 160]  # the face is still large at 320
    assert faces.boxes.tolist() == [list(face)]
    assert faces.found_by is not None
    assert faces.found_by.tolist() == [1]


def test_a_face_inside_another_stays_where_the_coarser_pass_sees_it_too() -> None:
    large, child = (20, 20, 600, 640), (350, 400, 500, 600)
    network = MadeUpNetwork(
        px640=scored((*large, 0.6), (*child, 0.9)), px320=scored((*large, 0.95), (*child, 0.2))
    )
    assert len(found(blank(640, 640), network)) == 2


def test_small_faces_come_from_the_original_size() -> None:
    photo = blank(2000, 1000)
    network = MadeUpNetwork(
        px640=scored((500, 500, 550, 560, 0.4), (1200, 100, 1500, 500, 0.9)),
        px2000=scored((500, 500, 550, 560, 0.95), (900, 900, 930, 940, 0.9), (1200, 100, 1350, 480, 0.9)),
    )
    faces = found(photo, network)
    assert network.input_sizes == [640, 2000]
    assert faces.found_by is not None
    assert sorted(faces.found_by.tolist()) == [0, 1, 1]  # the large face is that of the smaller input


def test_a_photo_of_few_pixels_gets_no_larger_pass() -> None:
    network = MadeUpNetwork(px640=scored((10, 10, 20, 20, 0.9)))
    found(blank(720, 540), network)
    assert network.input_sizes == [640]


@given(
    st.integers(0, 3),
    st.integers(40, 90),
    st.integers(40, 90),
    st.integers(0, 20),
    st.integers(0, 20),
)
def test_turning_back_finds_the_same_pixels(quarters: int, width: int, height: int, x: int, y: int) -> None:
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[y : y + 5, x : x + 9] = 255
    there = turned(Photo(pixels), quarters)
    rows, columns = np.nonzero(there.pixels[:, :, 0])
    box = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    back = turned_back(scored((*box, 0.9)), quarters, width, height)
    assert back.boxes.tolist() == [[x, y, x + 9, y + 5]]
    assert back.landmarks[0, 0].tolist() == [x + 4.5, y + 2.5]


@pytest.fixture(scope="module", params=list(MODELS))
def network(request: pytest.FixtureRequest) -> Callable[[Photo, Resize, int], RawResult]:
    entry = MODELS[request.param]
    shipped = shipped_weights(entry, WEIGHTS_DIR)
    assert shipped is not None
    detector = Detector(load_engine(load_network(entry, shipped.path, shipped.sha256)))
    return lambda photo, resize, input_size: detector.candidates([photo], resize, input_size)[0]


@pytest.mark.parametrize("share", [0.8, 0.9, 1.0, 1.2])
@pytest.mark.parametrize(("name", "box"), [("eileen_collins", EILEEN), ("grace_hopper", GRACE)])
def test_a_close_up_is_one_face(
    network: Callable[[Photo, Resize, int], RawResult], name: str, box: tuple[int, ...], share: float
) -> None:
    """A portrait cropped so that the face takes up `share` of the photo."""
    photo = decode_photo(SAMPLES / f"{name}.jpg")
    x1, y1, x2, y2 = box
    width, height = (x2 - x1) / share / 2, (y2 - y1) / share / 2
    window = np.array(
        ((x1 + x2) / 2 - width, (y1 + y2) / 2 - height, (x1 + x2) / 2 + width, (y1 + y2) / 2 + height)
    )
    left, top, right, bottom = (
        clip_boxes(window[None], photo.width, photo.height)[0].round().astype(int).tolist()
    )
    crop = Photo(np.ascontiguousarray(photo.pixels[top:bottom, left:right]))
    passes = run_passes(crop, network, Resize.FIT, 640, scales=True, rotated=False)
    faces = select(merge(crop, passes), 0.5, 0.4)
    assert len(faces) == 1
    expected = clip_boxes(
        np.array([[x1 - left, y1 - top, x2 - left, y2 - top]], np.float32), crop.width, crop.height
    )
    assert iou_matrix(clip_boxes(faces.boxes, crop.width, crop.height), expected)[0, 0] > 0.5


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_turned_portrait_is_found_in_the_pass_that_turns_it_back(
    network: Callable[[Photo, Resize, int], RawResult], quarters: int
) -> None:
    upright = decode_photo(SAMPLES / "eileen_collins.jpg")
    photo = turned(upright, quarters)
    passes = run_passes(photo, network, Resize.FIT, 640, scales=False, rotated=True)
    assert [one.degrees for one in passes] == [0, 90, 180, 270]
    faces = select(merge(photo, passes), 0.5, 0.4)
    assert faces.found_by is not None
    assert faces.found_by[0] == 4 - quarters
    back = turned_back(faces, quarters, upright.width, upright.height)
    assert iou_matrix(back.boxes, np.array([EILEEN], np.float32))[0, 0] > 0.5
