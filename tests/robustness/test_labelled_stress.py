"""mPC and rPC by hand, on made-up predictions, and images corrupted where they are predicted."""

from __future__ import annotations

import pickle
from math import isnan
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from featherface.detection.detections import Detections
from featherface.detection.images import Photo
from featherface.evaluation.ground_truth import Faces, GroundTruth, Subset
from featherface.evaluation.image_sets import EncodedImage
from featherface.evaluation.predictions import Prediction
from featherface.evaluation.run import Predictor, predict_images
from featherface.models.v2 import FeatherFaceV2
from featherface.robustness.corruptions import CORRUPTIONS
from featherface.robustness.labelled_stress import (
    MEAN,
    Condition,
    Robustness,
    StressError,
    StressPredictor,
    conditions,
    corrupted_images,
    score_stress,
)
from featherface.robustness.robustness_results import (
    ResultsError,
    SavedStress,
    load_stress,
    save_stress,
)

IMAGES = [f"0--Event/{number}.jpg" for number in range(12)]
BOX = np.array([[30.0, 20.0, 70.0, 60.0]])
SIZE = (120, 90)


def truth(faces: int = 12) -> GroundTruth:
    """Twelve images; the first `faces` have a face in "all", none has one in "none"."""
    images = {
        name: Faces(BOX, {"all": np.array([number < faces]), "none": np.array([False])})
        for number, name in enumerate(IMAGES)
    }
    return GroundTruth("made up", (Subset("all"), Subset("none")), images)


def found(condition: Condition, count: int, box: np.ndarray = BOX) -> list[Prediction]:
    """Predictions that find the face in the first `count` images and nothing in the others."""
    return [
        Prediction(
            condition.image_name(name), *((box, np.ones(1)) if number < count else (BOX[:0], np.ones(0)))
        )
        for number, name in enumerate(IMAGES)
    ]


def scored(counts: dict[Condition, int], corruptions: list[str], severities: list[int]) -> Robustness:
    predictions = [one for condition, count in counts.items() for one in found(condition, count)]
    return score_stress(predictions, truth(), corruptions, severities, lambda _: SIZE)


CLEAN = Condition("clean", 0)
COUNTS = {
    CLEAN: 12,
    Condition("jpeg", 1): 9,
    Condition("jpeg", 3): 6,
    Condition("contrast", 1): 12,
    Condition("contrast", 3): 3,
}


@pytest.fixture(scope="module")
def robustness() -> Robustness:
    return scored(COUNTS, ["jpeg", "contrast"], [1, 3])


def test_mpc_is_the_mean_and_rpc_its_share_of_the_clean_score(robustness: Robustness) -> None:
    assert robustness.images == 12
    assert robustness.clean["all"].value == 1
    assert robustness.mpc["all"].value == pytest.approx((9 + 6 + 12 + 3) / 48)
    assert robustness.rpc["all"].value == pytest.approx((9 + 6 + 12 + 3) / 48)
    assert {key: part["all"] for key, part in robustness.by_condition.items()} == pytest.approx(
        {key: count / 12 for key, count in COUNTS.items()}
    )


def test_intervals_are_around_the_value_and_missing_ones_have_a_reason(robustness: Robustness) -> None:
    low, high = robustness.mpc["all"].interval
    assert 0 < low < robustness.mpc["all"].value < high < 1
    for estimates in (robustness.clean, robustness.mpc, robustness.rpc):
        for subset in ("none", MEAN):
            assert isnan(estimates[subset].value)
            assert estimates[subset].interval is None
            assert estimates[subset].no_interval == "No face counts in this subset."


def test_resampled_shares_are_of_the_same_images_for_every_model() -> None:
    everywhere = {name: Faces(BOX, {"all": np.array([True])}) for name in IMAGES}
    one_subset = GroundTruth("made up", (Subset("all"),), everywhere)

    def shares(count: int) -> np.ndarray:
        predictions = [*found(CLEAN, 12), *found(Condition("jpeg", 1), count)]
        return np.array(score_stress(predictions, one_subset, ["jpeg"], [1], lambda _: SIZE).rpc_resampled)

    fewer, more = shares(6), shares(9)
    assert np.quantile(more, 0.025) < np.quantile(fewer, 0.975)
    assert (more >= fewer).all()


def test_rpc_compares_with_an_imperfect_clean_score() -> None:
    counts = {CLEAN: 8, Condition("jpeg", 5): 4}
    assert scored(counts, ["jpeg"], [5]).rpc["all"].value == pytest.approx(0.5)


def test_rpc_is_undefined_where_nothing_is_found_in_clean_images() -> None:
    none = scored({CLEAN: 0, Condition("jpeg", 5): 0}, ["jpeg"], [5])
    assert isnan(none.rpc["all"].value)
    assert none.rpc["all"].no_interval == "No face is found in the clean images."


def test_labelled_boxes_turn_with_the_image() -> None:
    turned = Condition("rotation", 5)
    moved = np.array([[20.0, 120 - 70, 60, 120 - 30]])  # 90 degrees: (x, y) goes to (y, width - x)
    predictions = [*found(CLEAN, 12), *found(turned, 12, moved)]
    assert score_stress(predictions, truth(), ["rotation"], [5], lambda _: SIZE).mpc["all"].value == 1
    predictions = [*found(CLEAN, 12), *found(turned, 12)]
    assert score_stress(predictions, truth(), ["rotation"], [5], lambda _: SIZE).mpc["all"].value < 0.1


def test_a_missing_prediction_is_named() -> None:
    with pytest.raises(StressError, match=r"jpeg/1/0--Event/0\.jpg"):
        score_stress(found(CLEAN, 12), truth(), ["jpeg"], [1], lambda _: SIZE)


class Brightness:
    """A stand-in for a network, which pickles: one box with the mean brightness as its score."""

    def __call__(self, name: str, photo: Photo) -> Prediction:
        return Prediction(
            name, np.array([[0.0, 0, photo.width, photo.height]]), np.array([photo.pixels.mean() / 255])
        )


def test_images_are_corrupted_where_they_are_predicted(tmp_path: Path) -> None:
    encoded = cv2.imencode(".png", np.full((40, 60, 3), 90, np.uint8))[1].tobytes()
    images = [EncodedImage("E/a.png", "a", lambda: encoded), EncodedImage("E/b.png", "b", lambda: encoded)]
    chosen = conditions(["brightness", "rotation", "gaussian_noise"], [2, 5])
    assert [condition.severity for condition in chosen] == [0, 2, 5, 2, 5, 2, 5]
    predictor = pickle.loads(pickle.dumps(StressPredictor(Brightness(), {"E/a.png": BOX, "E/b.png": BOX})))
    output = tmp_path / "found.jsonl"
    done = {
        one.image: one for one in predict_images(predictor, corrupted_images(images, chosen), output=output)
    }
    assert len(output.read_text().splitlines()) == len(done) == 14
    assert done["clean/0/E/a.png"].scores[0] == pytest.approx(90 / 255)
    assert done["brightness/2/E/a.png"].scores[0] == pytest.approx(90 / 255 + 0.2, abs=0.003)
    assert done["rotation/5/E/a.png"].boxes[0].tolist() == [0, 0, 40, 60]
    assert done["gaussian_noise/5/E/a.png"].scores[0] != done["gaussian_noise/5/E/b.png"].scores[0]


def test_a_network_under_stress_can_be_sent_to_another_process() -> None:
    torch.manual_seed(0)
    predictor = StressPredictor(Predictor(FeatherFaceV2()).predict_photo, {"E/a.png": BOX})
    sent = pickle.loads(pickle.dumps(predictor))
    encoded = cv2.imencode(".png", np.full((40, 60, 3), 90, np.uint8))[1].tobytes()
    assert sent("eyes/3/E/a.png", encoded).to_line() == predictor("eyes/3/E/a.png", encoded).to_line()


@pytest.mark.parametrize("key", [key for key, corruption in CORRUPTIONS.items() if corruption.moves_faces])
def test_faces_move_without_the_photo_as_they_do_with_it(key: str) -> None:
    photo = Photo(np.zeros((90, 120, 3), np.uint8))
    faces = Detections(BOX.astype(np.float32), np.ones(1, np.float32), np.full((1, 5, 2), 40, np.float32))
    for severity in (0, 1, 5):
        moved = CORRUPTIONS[key].moved(faces, photo.width, photo.height, severity)
        assert np.array_equal(moved.boxes, CORRUPTIONS[key].apply(photo, faces, severity).faces.boxes)


def saved(robustness: Robustness) -> SavedStress:
    about = ("v2", "checksum", "Made up", "original", 640, "2026-01-02T03:04:05+00:00")
    return SavedStress(*about, used_for_selection=True, robustness=robustness)


def test_a_result_survives_its_file(robustness: Robustness, tmp_path: Path) -> None:
    path = tmp_path / "stress.json"
    save_stress(path, [saved(robustness)])
    (read,) = load_stress(path)
    save_stress(tmp_path / "again.json", [read])
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()
    assert read.robustness.mpc["all"] == robustness.mpc["all"]
    assert read.robustness.rpc_resampled == pytest.approx(robustness.rpc_resampled, abs=1e-5)
    assert read.robustness.by_condition[Condition("jpeg", 3)]["all"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"stress": [{}]}', '{"stress": 3}', "{"],
    ids=["empty", "a list", "no fields", "no list", "cut off"],
)
def test_an_unreadable_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "stress.json"
    path.write_text(text)
    with pytest.raises(ResultsError, match=r"stress\.json"):
        load_stress(path)
