"""A zip in WIDER FACE layout is read within bounds, or refused in a sentence."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from featherface.evaluation import wider_zip
from featherface.evaluation.wider_zip import WiderZipError, read_wider_zip

ANNOTATIONS = """\
0--Parade/one.jpg
2
10 20 30 40 0 0 0 0 0 0
50 60 8 9 0 0 0 1 0 0
0--Parade/none.jpg
0
0 0 0 0 0 0 0 0 0 0
1--Crowd/absent.jpg
1
1 2 3 4
1--Crowd/plain.png
1
5 6 0 8
"""
IMAGES = ("0--Parade/one.jpg", "0--Parade/none.jpg", "1--Crowd/plain.png")


def zipped(texts: dict[str, str], images: tuple[str, ...] = IMAGES) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in texts.items():
            archive.writestr(name, text)
        for name in images:
            archive.writestr(f"WIDER_val/images/{name}", f"bytes of {name}")
    return data.getvalue()


def test_images_and_faces_that_belong_together():
    found = read_wider_zip(zipped({"split/wider_face_val_bbx_gt.txt": ANNOTATIONS}))

    assert [image.name for image in found.images] == list(IMAGES)
    assert found.absent == ("1--Crowd/absent.jpg",)
    assert found.images[0].read() == b"bytes of 0--Parade/one.jpg"
    faces = found.ground_truth.images["0--Parade/one.jpg"]
    np.testing.assert_equal(faces.boxes, [[10, 20, 40, 60], [50, 60, 58, 69]])
    assert faces.counted["all"].tolist() == [True, False]  # the second is marked as invalid
    assert len(found.ground_truth.images["0--Parade/none.jpg"].boxes) == 0
    assert found.ground_truth.images["1--Crowd/plain.png"].counted["all"].tolist() == [False]  # empty


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"no zip", "not a zip file", id="not a zip"),
        pytest.param(zipped({}), "it contains 0", id="no annotations"),
        pytest.param(zipped({"a_bbx_gt.txt": "", "b_bbx_gt.txt": ""}), "it contains 2", id="two annotations"),
        pytest.param(zipped({"a_bbx_gt.txt": ""}), "None of the annotated", id="nothing annotated"),
        pytest.param(zipped({"a_bbx_gt.txt": "0--Parade/one.jpg\nmany\n"}), "malformed", id="no count"),
        pytest.param(zipped({"a_bbx_gt.txt": "0--Parade/one.jpg\n-1\n"}), "malformed", id="negative count"),
        pytest.param(
            zipped({"a_bbx_gt.txt": "0--Parade/one.jpg\n1\n1 2 nan 4"}), "malformed", id="not finite"
        ),
    ],
)
def test_refusals(data, message):
    with pytest.raises(WiderZipError, match=message):
        read_wider_zip(data)


def test_too_many_images_are_refused(monkeypatch):
    monkeypatch.setattr(wider_zip, "MAX_ZIP_IMAGES", 2)
    with pytest.raises(WiderZipError, match="3 annotated images; the limit is 2"):
        read_wider_zip(zipped({"a_bbx_gt.txt": ANNOTATIONS}))


def test_an_image_that_unpacks_to_too_much_is_refused_with_the_limit_in_megabytes(monkeypatch):
    monkeypatch.setattr(wider_zip, "MAX_BYTES", 3 * 10**6)
    large = {"a_bbx_gt.txt": ANNOTATIONS, "images/0--Parade/one.jpg": "x" * 3_000_001}
    found = read_wider_zip(zipped(large, images=()))
    with pytest.raises(WiderZipError, match=r"larger than 3 MB\."):
        found.images[0].read()


def test_a_damaged_image_is_refused():
    data = bytearray(zipped({"a_bbx_gt.txt": ANNOTATIONS}))
    data[data.index(b"images/0--Parade/one.jpg") + 30] ^= 0xFF
    found = read_wider_zip(bytes(data))
    with pytest.raises(WiderZipError, match="damaged"):
        found.images[0].read()


PLAIN = "0--Parade/one.jpg\n1\n10 20 30 40\n"
OTHER_SYSTEMS = {
    "Finder's own files": (
        {"x_bbx_gt.txt": PLAIN, "__MACOSX/._x_bbx_gt.txt": "?", "__MACOSX/0--Parade/._one.jpg": "?"},
        "data/0--Parade/one.jpg",
    ),
    "Finder's files beside the others": ({"x_bbx_gt.txt": PLAIN, "._x_bbx_gt.txt": "?"}, "0--Parade/one.jpg"),
    "byte-order mark": ({"x_bbx_gt.txt": "\ufeff" + PLAIN}, "0--Parade/one.jpg"),
    "Windows line ends": ({"x_bbx_gt.txt": PLAIN.replace("\n", "\r\n")}, "0--Parade/one.jpg"),
    "old Macintosh line ends": ({"x_bbx_gt.txt": PLAIN.replace("\n", "\r")}, "0--Parade/one.jpg"),
    "backslashes in the annotations": ({"x_bbx_gt.txt": PLAIN.replace("/", "\\")}, "0--Parade/one.jpg"),
    "backslashes in the zip": ({"split\\x_bbx_gt.txt": PLAIN}, "images\\0--Parade\\one.jpg"),
    "commas between numbers": (
        {"x_bbx_gt.txt": PLAIN.replace("10 20 30 40", "10,20, 30;40")},
        "0--Parade/one.jpg",
    ),
    "tabs between numbers": ({"x_bbx_gt.txt": PLAIN.replace(" ", "\t")}, "0--Parade/one.jpg"),
    "one folder deeper": ({"x/x_bbx_gt.txt": PLAIN}, "x/WIDER_val/images/0--Parade/one.jpg"),
    "images one folder deeper": ({"x_bbx_gt.txt": PLAIN}, "0--Parade/originals/one.jpg"),
    "annotations with a longer path": ({"x_bbx_gt.txt": "./val/images/" + PLAIN}, "0--Parade/one.jpg"),
    "images without folders": ({"x_bbx_gt.txt": PLAIN.replace("0--Parade/", "")}, "images/one.jpg"),
    "another case of the extension": ({"X_BBX_GT.TXT": PLAIN}, "0--Parade/one.jpg"),
}


@pytest.mark.parametrize("name", OTHER_SYSTEMS)
def test_zips_as_other_systems_write_them(name):
    texts, image = OTHER_SYSTEMS[name]
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for path, text in {**texts, image: "the image"}.items():
            archive.writestr(path, text)
    found = read_wider_zip(data.getvalue())
    assert [one.read() for one in found.images] == [b"the image"]
    np.testing.assert_equal(found.ground_truth.images[found.images[0].name].boxes, [[10, 20, 40, 60]])
    assert found.absent == ()


def test_annotations_in_utf_16_and_with_decomposed_accents():
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("x_bbx_gt.txt", PLAIN.replace("one", "Ren\u00e9").encode("utf-16"))
        archive.writestr("0--Parade/Rene\u0301.jpg", "the image")  # as Finder writes it
    (image,) = read_wider_zip(data.getvalue()).images
    assert (image.name, image.read()) == ("0--Parade/Ren\u00e9.jpg", b"the image")


def test_images_of_one_name_are_never_mistaken_for_each_other():
    text = "a/1.jpg\n1\n1 2 30 40\nb/1.jpg\n1\n1 2 30 40\n"
    found = read_wider_zip(zipped({"x_bbx_gt.txt": text}, images=("a/1.jpg",)))
    assert [image.name for image in found.images] == ["a/1.jpg"]
    assert found.absent == ("b/1.jpg",)
