"""Manifests: what a record becomes, and that each kind of bad input is named with its file and line."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from featherface.evaluation.ground_truth import manifest_ground_truth
from featherface.evaluation.manifest import ManifestError, read_image_bytes, read_manifest

POINTS = [12.0, 14.0, 18.0, 14.0, 15.0, 17.0, 12.0, 20.0, 18.0, 20.0]
GOOD = {
    "image": "dev/street/0.jpg",
    "width": 100,
    "height": 80,
    "source": "street",
    "boxes": [[10, 10, 20, 25], [30, 0, 60, 80]],
    "ignore": [False, True],
    "landmarks": [POINTS, None],
    "landmark_source": "people",
}


@pytest.fixture
def manifest(tmp_path: Path):
    """A function that writes records as the manifest dev.jsonl, with one image in its zip."""
    with zipfile.ZipFile(tmp_path / "dev-street.zip", "w") as archive:
        archive.writestr("dev/street/0.jpg", b"the image")

    def write(*records: object) -> Path:
        lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
        (tmp_path / "dev.jsonl").write_text("\n".join(lines) + "\n")
        return tmp_path / "dev.jsonl"

    return write


def test_a_record_and_its_image(manifest):
    (record,) = read_manifest(manifest(GOOD))
    assert record.boxes.tolist() == GOOD["boxes"]
    assert record.ignore.tolist() == [False, True]
    assert record.landmarks[0].ravel().tolist() == POINTS
    assert np.isnan(record.landmarks[1]).all()
    assert record.wider_name is None
    assert read_image_bytes(record) == b"the image"


@pytest.mark.parametrize(
    "members",
    [
        pytest.param(["dev-street/dev/street/0.jpg"], id="one folder deeper"),
        pytest.param(["dev\\street\\0.jpg"], id="backslashes"),
        pytest.param(["__MACOSX/dev/street/0.jpg", "a/dev/street/0.jpg"], id="Finder's notes"),
        pytest.param(["dev/street/0.jpg", "old/dev/street/0.jpg"], id="the path itself wins"),
    ],
)
def test_zips_and_manifests_of_other_systems(manifest, tmp_path: Path, members: list[str]) -> None:
    with zipfile.ZipFile(tmp_path / "dev-windows.zip", "w") as archive:
        for name in members:
            archive.writestr(name, b"notes" if name.startswith(("__MACOSX", "old")) else b"the image")
    (record,) = read_manifest(manifest("\ufeff" + json.dumps({**GOOD, "source": "windows"})))
    assert read_image_bytes(record) == b"the image"


def test_an_image_that_a_zip_has_twice_in_other_folders_is_absent(manifest, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "dev-twice.zip", "w") as archive:
        for folder in ("a", "b"):
            archive.writestr(f"{folder}/dev/street/0.jpg", b"one of two")
    with pytest.raises(ManifestError, match=r"dev-twice\.zip has no image dev/street/0\.jpg"):
        read_manifest(manifest({**GOOD, "source": "twice"}))


def test_a_image_without_labels(manifest):
    (record,) = read_manifest(manifest(GOOD | {"boxes": [], "ignore": [], "landmarks": []}))
    assert (record.boxes.shape, record.ignore.shape, record.landmarks.shape) == ((0, 4), (0,), (0, 5, 2))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (
            {"boxes": [[10, 10, 20, 81]], "ignore": [False], "landmarks": [None]},
            "outside the 100 x 80 image",
        ),
        ({"boxes": [[20, 10, 20, 25]], "ignore": [False], "landmarks": [None]}, "is empty"),
        ({"boxes": [[1, 2, 3]]}, "four numbers"),
        ({"boxes": [[float("nan"), 1, 2, 3]], "ignore": [False], "landmarks": [None]}, "is empty or outside"),
        ({"ignore": [False]}, "differ in length"),
        ({"landmarks": [[1, 2], None]}, "inhomogeneous"),
        ({"width": None}, "int"),
        ({"image": "dev/street/1.jpg"}, "has no image"),
        ({"source": "park"}, r"dev-park\.zip cannot be opened"),
    ],
)
def test_a_bad_record_is_named_by_file_and_line(manifest, change, complaint):
    with pytest.raises(ManifestError, match=rf"dev\.jsonl, line 2: .*{complaint}"):
        read_manifest(manifest(GOOD, GOOD | change))


@pytest.mark.parametrize("line", ["{", "[]", '{"image": "a.jpg"}'])
def test_a_malformed_line_is_named(manifest, line):
    with pytest.raises(ManifestError, match=r"dev\.jsonl, line 2: "):
        read_manifest(manifest(GOOD, line))


def test_an_absent_manifest_and_an_unknown_source_are_named(manifest, tmp_path):
    with pytest.raises(ManifestError, match=r"absent\.jsonl cannot be read"):
        read_manifest(tmp_path / "absent.jsonl")
    with pytest.raises(ManifestError, match="no images of the source 'park'; its sources are: street"):
        read_manifest(manifest(GOOD), "park")


def test_height_bands_count_each_face_once_and_leave_out_ignored_ones(manifest):
    boxes = [[0, 0, 9, 15], [0, 0, 9, 16], [0, 0, 9, 40], [0, 0, 9, 79], [0, 0, 9, 80]]
    record = GOOD | {"boxes": boxes, "ignore": [False] * 4 + [True], "landmarks": [None] * 5}
    (faces,) = manifest_ground_truth(read_manifest(manifest(record))).images.values()
    counted = {name: mask.tolist() for name, mask in faces.counted.items()}
    assert counted == {
        "all": [True, True, True, True, False],
        "under 16 px": [True, False, False, False, False],
        "16-32 px": [False, True, False, False, False],
        "32-96 px": [False, False, True, True, False],
        "over 96 px": [False] * 5,
    }


def test_the_reference_manifests_read_whole(shared):
    records = read_manifest(shared / "data" / "dev.jsonl", "wider_tenth")
    assert len(records) == 323
    assert all(record.wider_name for record in records)
