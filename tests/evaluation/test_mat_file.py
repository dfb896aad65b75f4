"""MATLAB files: the same values as SciPy reads, and no damage that gets further than one sentence."""

from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from featherface.evaluation.ground_truth import GroundTruthError, wider_ground_truth
from featherface.evaluation.mat_file import MatFileError, read_mat

MUTATIONS = 300
LISTS = ("wider_face_val.mat", "wider_easy_val.mat", "wider_medium_val.mat", "wider_hard_val.mat")


def cells(*values: object) -> np.ndarray:
    array = np.empty((len(values), 1), object)
    array[:, 0] = values
    return array


def write_ground_truth(folder: Path, *, compress: bool = True) -> None:
    """Two events of two images and one; easy lists some faces, medium all, hard none in the last image."""
    boxes = [
        np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.uint16),
        np.zeros((0, 0)),
        np.array([[9.0, 8.0, 7.0, 6.0]]),
    ]
    lists = {
        "event_list": cells("0--Parade", "1--Crowd"),
        "file_list": cells(cells(cells("a"), cells("b")), cells(cells("c"))),
        "face_bbx_list": cells(cells(*boxes[:2]), cells(boxes[2])),
    }
    kept = {
        "easy": (np.array([[2]], np.uint8), np.zeros((0, 0)), np.array([[1.0]])),
        "medium": (np.array([[1], [2]], np.uint8), np.zeros((0, 0)), np.array([[1.0]])),
        "hard": (np.array([[1]], np.uint8), np.zeros((0, 0)), np.zeros((0, 0))),
    }
    savemat(folder / LISTS[0], lists, do_compression=compress)
    for name, numbers in kept.items():
        gt_list = {"gt_list": cells(cells(*numbers[:2]), cells(numbers[2])), **lists}
        savemat(folder / f"wider_{name}_val.mat", gt_list, do_compression=compress)


@pytest.mark.parametrize("compress", [True, False])
def test_ground_truth_as_the_official_files_hold_it(tmp_path, compress):
    write_ground_truth(tmp_path, compress=compress)
    found = wider_ground_truth(tmp_path).images

    assert list(found) == ["0--Parade/a.jpg", "0--Parade/b.jpg", "1--Crowd/c.jpg"]
    assert found["0--Parade/a.jpg"].boxes.tolist() == [[1, 2, 4, 6], [5, 6, 12, 14]]
    assert found["0--Parade/b.jpg"].boxes.shape == (0, 4)
    masks = {name: mask.tolist() for name, mask in found["0--Parade/a.jpg"].counted.items()}
    assert masks == {"easy": [False, True], "medium": [True, True], "hard": [True, False]}
    assert found["1--Crowd/c.jpg"].counted["hard"].tolist() == [False]


@pytest.mark.parametrize(
    "value",
    [np.arange(6.0).reshape(2, 3), np.array([[-5]], np.int64), np.zeros((0, 4), np.float32), "Ärger 10", ""],
    ids=["doubles", "small element", "empty", "text", "no text"],
)
@pytest.mark.parametrize("compress", [True, False])
def test_values_survive(value, compress):
    file = io.BytesIO()
    savemat(file, {"x": value, "other": np.ones(3)}, do_compression=compress)
    found = read_mat(file.getvalue(), ["x"])["x"]

    assert type(found) is type(value)
    np.testing.assert_equal(found, value)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        pytest.param({"y": 1}, "no variable 'x'", id="absent"),
        pytest.param({"x": np.ones(2) + 1j}, "neither cells, real numbers", id="complex numbers"),
        pytest.param({"x": {"field": 1}}, "class 2", id="struct"),
    ],
)
def test_what_ground_truth_does_not_hold_is_refused(variables, message):
    file = io.BytesIO()
    savemat(file, variables)
    with pytest.raises(MatFileError, match=message):
        read_mat(file.getvalue(), ["x"])


@pytest.mark.parametrize("compress", [True, False])
def test_damaged_files_give_one_sentence_or_ground_truth(tmp_path, compress):
    """SciPy's reader ended the interpreter on some of these."""
    write_ground_truth(tmp_path, compress=compress)
    chance = random.Random(0)
    messages = []
    for _ in range(MUTATIONS):
        file = tmp_path / chance.choice(LISTS)
        whole = file.read_bytes()
        file.write_bytes(mutated(whole, chance))
        try:
            wider_ground_truth(tmp_path)
        except GroundTruthError as error:
            messages.append((file.name, str(error)))
        file.write_bytes(whole)
    assert len(messages) > MUTATIONS // 3
    assert all(name in text and text.endswith(".") and "\n" not in text for name, text in messages)


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Flip bits, overwrite a word with an extreme one, cut off, or repeat a piece."""
    damaged = bytearray(data)
    place = chance.randrange(124, len(data) - 8)
    kind = chance.randrange(4)
    if kind == 0:
        for _ in range(chance.randint(1, 8)):
            damaged[chance.randrange(124, len(data))] ^= 1 << chance.randrange(8)
    elif kind == 1:
        word = chance.choice((0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFF8, chance.getrandbits(32)))
        place -= place % 8
        damaged[place : place + 4] = word.to_bytes(4, "little")
    elif kind == 2:
        del damaged[place:]
    else:
        damaged[place:place] = damaged[place : place + chance.randint(1, 64)]
    return bytes(damaged)


def test_an_index_of_no_face_is_refused(tmp_path):
    write_ground_truth(tmp_path)
    numbers = {"gt_list": cells(cells(np.array([[0]], np.uint8), np.zeros((0, 0))), cells(np.zeros((0, 0))))}
    savemat(tmp_path / LISTS[1], numbers)  # the lists count from one
    with pytest.raises(GroundTruthError, match=r"wider_easy_val\.mat does not have the layout"):
        wider_ground_truth(tmp_path)
