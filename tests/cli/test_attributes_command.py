"""`python -m featherface attributes`: the table, its file, own groups, and what it refuses."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from featherface.cli.main import main
from featherface.robustness.attribute_slices import WIDER_ATTRIBUTES
from featherface.robustness.robustness_results import load_slices, save_slices
from tests.cli.test_evaluate_command import cells

NAMES = [f"image_{number}" for number in range(12)]
BOXES = np.array([[10, 8, 20, 20], [50, 8, 20, 20]])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Official files of twelve images, a clear and a blurred face each, and predictions of the clear ones."""
    folder = tmp_path_factory.mktemp("attributes")
    truth = folder / "truth"
    truth.mkdir()

    def listed(values: np.ndarray) -> np.ndarray:
        return cells([cells([values] * len(NAMES))])

    zeros = np.zeros((2, 1), np.uint8)
    faces = {f"{name}_label_list": listed(zeros) for name in WIDER_ATTRIBUTES}
    faces["blur_label_list"] = listed(np.array([[0], [2]], np.uint8))
    faces |= {"event_list": cells([["0--E"]]), "file_list": cells([cells([[name] for name in NAMES])])}
    savemat(truth / "wider_face_val.mat", faces | {"face_bbx_list": listed(BOXES)})
    for subset in ("easy", "medium", "hard"):
        savemat(truth / f"wider_{subset}_val.mat", {"gt_list": listed(np.array([[1], [2]], np.uint8))})
    lines = [{"image": f"0--E/{name}.jpg", "boxes": [[10, 8, 30, 28]], "scores": [0.9]} for name in NAMES]
    (folder / "found.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    record = {"model": "v2", "weights_sha256": "checksum"}
    (folder / "found.jsonl.run.json").write_text(json.dumps(record))
    (folder / "own.csv").write_text(f"image,face,group\n0--E/{NAMES[0]}.jpg,1,x\n")
    (folder / "unknown.jsonl").write_text(json.dumps(lines[0]) + "\n")
    return folder


def test_slices_are_printed_and_saved(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [
        "attributes",
        "--predictions",
        str(folder / "found.jsonl"),
        "--ground-truth",
        str(folder / "truth"),
    ]
    assert main([*options, "--out", str(tmp_path / "slices.json"), "--used-for-selection"]) == 0
    printed = capsys.readouterr().out
    assert "blur          clear         16-32 px           12  1.0000" in printed
    assert "No face counts in this subset." in printed

    (saved,) = load_slices(tmp_path / "slices.json")
    assert (saved.model, saved.weights_sha256, saved.images, saved.used_for_selection) == (
        "v2",
        "checksum",
        12,
        True,
    )
    recall = {(one.value, one.band): one.recall for one in saved.slices if one.attribute == "blur"}
    assert recall["clear", "16-32 px"].value == 1
    assert recall["heavy blur", "16-32 px"].value == 0
    assert recall["normal blur", "16-32 px"] is None
    save_slices(tmp_path / "again.json", [saved])
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "slices.json").read_bytes()


def test_a_column_of_groups_gives_the_same_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [
        "attributes",
        "--predictions",
        str(folder / "found.jsonl"),
        "--ground-truth",
        str(folder / "truth"),
    ]
    assert main([*options, "--groups", str(folder / "own.csv"), "--column", "group", "--json"]) == 0
    slices = json.loads(capsys.readouterr().out)["v2"]
    assert {(one["attribute"], one["value"]) for one in slices} == {("group", "x")}
    assert sum(one["faces"] for one in slices) == 1
    assert "Only 1 image with faces" in " ".join(one["suppressed"] for one in slices)


def test_images_of_ones_own_are_grouped_by_their_manifest(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = []
    with zipfile.ZipFile(tmp_path / "own-album.zip", "w") as archive:
        for name in NAMES:
            archive.writestr(f"{name}.png", b"not read")
            record = {"image": f"{name}.png", "width": 90, "height": 60, "source": "album"}
            records.append(json.dumps(record | {"boxes": [[10, 8, 30, 28], [50, 8, 70, 28]]}))
    (tmp_path / "own.jsonl").write_text("\n".join(records))
    lines = [{"image": f"{name}.png", "boxes": [[10, 8, 30, 28]], "scores": [0.9]} for name in NAMES]
    (tmp_path / "found.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "found.jsonl.run.json").write_text(json.dumps({"model": "v2", "weights_sha256": "checksum"}))
    rows = [f"{name}.png,{face},{group}\n" for name in NAMES for face, group in ((1, "x"), (2, "y"))]
    (tmp_path / "own.csv").write_text("image,face,group\n" + "".join(rows))
    options = ["attributes", "--predictions", str(tmp_path / "found.jsonl"), "--json", "--column", "group"]
    options += ["--manifest", str(tmp_path / "own.jsonl"), "--groups", str(tmp_path / "own.csv")]
    assert main(options) == 0
    scored = {
        one["value"]: one["recall"]["value"]
        for one in json.loads(capsys.readouterr().out)["v2"]
        if one["band"] == "16-32 px"
    }
    assert scored == {"x": 1, "y": 0}


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--predictions", "found.jsonl", "--manifest", "own.jsonl"], "either --ground-truth or --manifest"),
        (["--predictions", "found.jsonl", "--column", "group"], "--groups and --column together"),
        (["--predictions", "found.jsonl", "--conf", "2"], "--conf must be between 0 and 1"),
        (["--predictions", "unknown.jsonl"], "unknown.jsonl.run.json does not say which model"),
        (["--predictions", "found.jsonl", "--groups", "own.csv", "--column", "age"], "no column 'age'"),
        (["--predictions", "found.jsonl", "--groups", "absent.csv", "--column", "age"], "absent.csv"),
        ([], "--predictions"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    complaint: str,
) -> None:
    monkeypatch.chdir(folder)
    assert main(["attributes", "--ground-truth", "truth", *options]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert complaint in captured.err
