"""Slices of faces by attribute and height: their counts, their scores by hand, and groups from a CSV file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from featherface.evaluation.ground_truth import GroundTruthError, wider_ground_truth
from featherface.evaluation.predictions import Prediction
from featherface.robustness.attribute_slices import (
    BANDS,
    UNLABELLED,
    WIDER_ATTRIBUTES,
    Attribute,
    Slice,
    SliceError,
    csv_attribute,
    csv_columns,
    score_slices,
    wider_attributes,
)

# Of each of twelve images: two faces of 20 pixels and one of 120; clear, blurred, clear.
BOXES = np.array([[0.0, 0, 20, 20], [40, 0, 60, 20], [100, 0, 220, 120]])
IMAGES = [f"0--Event/{number}.jpg" for number in range(12)]
BLUR = Attribute("blur", ("clear", "blurred"), dict.fromkeys(IMAGES, np.array([0, 1, 0])))
NOTHING_IGNORED = dict.fromkeys(IMAGES, np.zeros(3, bool))


def scored(found: list[list[int]], scores: float = 0.9, **options: object) -> dict[tuple[str, str], Slice]:
    """Slices of predictions that find the faces `found[i]` in image i."""
    predictions = [
        Prediction(name, BOXES[chosen], np.full(len(chosen), scores))
        for name, chosen in zip(IMAGES, found, strict=True)
    ]
    arguments = {"ignore": NOTHING_IGNORED, "attributes": [BLUR]} | options
    slices = score_slices(predictions, dict.fromkeys(IMAGES, BOXES), **arguments)
    return {(one.value, one.band): one for one in slices}


def test_each_value_is_scored_within_each_band() -> None:
    slices = scored([[0, 1, 2]] * 6 + [[2]] * 6)
    assert len(slices) == 2 * len(BANDS)
    small, blurred = slices["clear", "16-32 px"], slices["blurred", "16-32 px"]
    large = slices["clear", "over 96 px"]
    assert [part.faces for part in (small, blurred, large)] == [12, 12, 12]
    assert [part.recall.value for part in (small, blurred, large)] == [0.5, 0.5, 1.0]
    assert [part.average_precision.value for part in (small, blurred, large)] == pytest.approx([0.5, 0.5, 1])
    low, high = small.recall.interval
    assert 0 < low < 0.5 < high < 1


def test_empty_and_small_slices_are_suppressed_with_a_reason() -> None:
    rare = {name: np.array([0, 1, 0] if number < 3 else [0, 0, 0]) for number, name in enumerate(IMAGES)}
    slices = scored([[0, 1, 2]] * 12, attributes=[Attribute("blur", ("clear", "blurred"), rare)])
    few, none = slices["blurred", "16-32 px"], slices["blurred", "over 96 px"]
    assert (few.faces, few.average_precision, few.recall) == (3, None, None)
    assert few.suppressed == "Only 3 images with faces; an interval needs 10."
    assert (none.faces, none.suppressed) == (0, "No face counts in this subset.")


def test_recall_is_at_the_confidence_threshold_and_average_precision_is_not() -> None:
    slices = scored([[0, 1, 2]] * 12, scores=0.4)
    assert slices["clear", "over 96 px"].recall.value == 0
    assert slices["clear", "over 96 px"].average_precision.value == pytest.approx(1)
    assert scored([[0, 1, 2]] * 12, scores=0.4, confidence=0.3)["clear", "over 96 px"].recall.value == 1


def test_ignored_faces_count_only_for_the_attribute_about_them() -> None:
    ignore = dict.fromkeys(IMAGES, np.array([True, False, False]))
    assert scored([[]] * 12, ignore=ignore)["clear", "16-32 px"].faces == 0
    invalid = Attribute(
        "invalid", ("valid", "invalid"), {name: mask.astype(int) for name, mask in ignore.items()}, True
    )
    assert scored([[]] * 12, ignore=ignore, attributes=[invalid])["invalid", "16-32 px"].faces == 12


def test_labels_that_do_not_fit_the_faces_are_named() -> None:
    short = Attribute("blur", ("clear",), dict.fromkeys(IMAGES, np.array([0, 0])))
    with pytest.raises(SliceError, match=r"0--Event/0\.jpg have no label of blur"):
        scored([[]] * 12, attributes=[short])


def cells(values: list[object]) -> np.ndarray:
    """A MATLAB cell column."""
    column = np.empty((len(values), 1), object)
    for row, value in enumerate(values):
        column[row, 0] = value
    return column


def write_labels(folder: Path, blur: list[int]) -> None:
    """Write a wider_face_val.mat of one image whose faces have the labels `blur`, and 0 for the rest."""
    labels = {
        f"{name}_label_list": cells([cells([np.array([[0], [0], [0]], np.uint8)])])
        for name in WIDER_ATTRIBUTES
    }
    labels["blur_label_list"] = cells([cells([np.array(blur, np.uint8)[:, None]])])
    names = {"event_list": cells([["0--Event"]]), "file_list": cells([cells([["a"]])])}
    boxes = {"face_bbx_list": cells([cells([np.array([[0, 0, 20, 20]] * 3)])])}
    savemat(folder / "wider_face_val.mat", names | boxes | labels)


def test_attributes_are_read_from_the_official_file(tmp_path: Path) -> None:
    write_labels(tmp_path, [2, 0, 1])
    attributes = {attribute.name: attribute for attribute in wider_attributes(tmp_path)}
    assert list(attributes) == list(WIDER_ATTRIBUTES)
    assert attributes["blur"].labels["0--Event/a.jpg"].tolist() == [2, 0, 1]
    assert attributes["pose"].labels["0--Event/a.jpg"].tolist() == [0, 0, 0]
    assert [name for name, attribute in attributes.items() if attribute.ignored_too] == ["invalid"]


def test_an_unknown_label_and_an_absent_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(GroundTruthError, match=r"wider_face_val\.mat"):
        wider_attributes(tmp_path)
    write_labels(tmp_path, [2, 0, 7])
    with pytest.raises(SliceError, match=r"unknown value of blur in 0--Event/a\.jpg"):
        wider_attributes(tmp_path)


def test_slice_counts_equal_those_of_the_official_files(shared: Path) -> None:
    folder = shared / "reference" / "wider_ground_truth"
    truth = wider_ground_truth(folder)
    boxes = {name: faces.boxes for name, faces in truth.images.items()}
    attributes = wider_attributes(folder)
    nothing_ignored = {name: np.zeros(len(part), bool) for name, part in boxes.items()}
    nothing = [Prediction(name, np.zeros((0, 4)), np.zeros(0)) for name in list(boxes)[::20]]
    slices = score_slices(nothing, boxes, nothing_ignored, attributes)
    official = loadmat(folder / "wider_face_val.mat")
    names = [name for event in official["file_list"].ravel() for name in event.ravel()]
    for attribute in attributes:
        lists = official[f"{attribute.name}_label_list"].ravel()
        labels = [image.ravel() for event in lists for image in event.ravel()]
        assert len(names) == len(labels) == len(boxes)
        everything = np.concatenate([attribute.labels[name] for name in boxes])
        assert np.array_equal(everything, np.concatenate(labels))
        expected = np.bincount(np.concatenate(labels[::20]), minlength=len(attribute.values))
        counted = [
            sum(one.faces for one in slices if (one.attribute, one.value) == (attribute.name, value))
            for value in attribute.values
        ]
        assert counted == expected.tolist()


FACES = {"a.jpg": 2, "b.jpg": 1, "c.jpg": 1}


def test_every_column_but_image_and_face_can_name_groups() -> None:
    assert csv_columns("\ufeffimage,age,face,tone,age\n".encode(), "g.csv") == ["age", "tone"]
    with pytest.raises(SliceError, match="no column besides image and face"):
        csv_columns(b"image,face\n", "g.csv")
    with pytest.raises(SliceError, match="cannot be read as CSV"):
        csv_columns(b"\xff\xfe\x00", "g.csv")


def test_groups_come_from_a_column_per_face_or_per_image() -> None:
    per_face = csv_attribute(b"image,face,group\na.jpg,2,x\na.jpg,1,y\nb.jpg,1,\n", "g.csv", "group", FACES)
    assert per_face.values == ("x", "y")
    assert {name: labels.tolist() for name, labels in per_face.labels.items()} == {
        "a.jpg": [1, 0],
        "b.jpg": [UNLABELLED],
        "c.jpg": [UNLABELLED],
    }
    per_image = csv_attribute("\ufeffimage,group\na.jpg,x\nc.jpg, x \n".encode(), "g.csv", "group", FACES)
    assert {name: labels.tolist() for name, labels in per_image.labels.items()} == {
        "a.jpg": [0, 0],
        "b.jpg": [UNLABELLED],
        "c.jpg": [0],
    }


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "g.csv has no column 'image'"),
        (b"image,age\na.jpg,3\n", "no column 'group'"),
        (b"image,group\nz.jpg,x\n", "line 2: the ground truth has no image 'z.jpg'"),
        (b"image,face,group\na.jpg,3,x\n", "line 2: the face must be a number from 1 to 2, not '3'"),
        (b"image,face,group\na.jpg,one,x\n", "not 'one'"),
        (b"image,group\na.jpg,\n", "the column 'group' is empty"),
        (b"\xff\xfe\x00", "cannot be read as CSV"),
        (
            b"image,group\n" + b"".join(f"a.jpg,{number}\n".encode() for number in range(20)),
            "more than 12 values",
        ),
        (b"image,group\na.jpg\n", "the column 'group' is empty"),
    ],
)
def test_a_file_of_groups_that_cannot_be_used_is_one_sentence(data: bytes, complaint: str) -> None:
    with pytest.raises(SliceError, match=complaint):
        csv_attribute(data, "g.csv", "group", FACES)
