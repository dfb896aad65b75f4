"""A person marks faces on the Detection page, and the models are counted against the marks."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import FileUploader

from featherface.dashboard.state.marked_faces import marked_photo
from featherface.dashboard.state.photos import SAMPLES, PhotoFile
from featherface.evaluation.ground_truth_files import PhotoFaces, to_coco_json, to_wider_text

Open = Callable[..., AppTest]


def photo(colour: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (500, 200), colour).save(file, "PNG")
    return file.getvalue()


def counts(page: AppTest, photos: str = "This photo") -> list[list[object]]:
    """The counts of V1 and V2: true, false, missed and not judged faces, precision, recall."""
    tables = [table.value for table in page.table if photos in table.value]
    if not tables:
        return []
    columns = (tables[0][name].tolist() for name in ("V1", "V2"))
    return [[*map(int, column[:4]), *column[4:]] for column in columns]


def limits(page: AppTest) -> list[str]:
    """What the page says below the counts of photos whose faces are not all marked."""
    return [caption.value for caption in page.caption if "“All faces are marked” is off" in caption.value]


@pytest.fixture
def own(open_page: Open) -> AppTest:
    """The page with a photo of one's own; V1 finds faces at 10, 100 and 200, V2 at 12, 102 and 300."""
    page = open_page()
    uploader = next(one for one in page.file_uploader if one.label == "Upload photos")
    return uploader.set_value([("one.png", photo("red"), "image/png")]).run()


def press(page: AppTest, key: str) -> AppTest:
    return page.button(key=key).click().run()


def examine(page: AppTest, *values: int) -> AppTest:
    """Enter x and y, or x, y, width and height, of the spot to examine."""
    labels = ("x (px)", "y (px)", "Width (px)", "Height (px)")
    fields = {field.label: field for field in page.number_input}
    for label, value in zip(labels, (*values, None, None), strict=False):
        fields[label].set_value(value)
    return page.run()


def test_a_sample_shows_its_counts_at_once(open_page: Open) -> None:
    page = open_page(photo="chelsea_the_cat")
    assert counts(page) == [[0, 3, 0, 0, "0.0%", "–"]] * 2
    assert any("marked and checked by hand" in caption.value for caption in page.caption)
    assert page.button(key="undo_mark").disabled


def test_marks_are_counted_undone_and_cleared(own: AppTest) -> None:
    page = own
    assert counts(page) == []
    press(page, "confirm_all")
    assert counts(page) == [[3, 0, 1, 0, "100.0%", "75.0%"]] * 2
    examine(page, 220, 70)
    press(page, "reject_spot")
    assert counts(page) == [[2, 1, 1, 0, "66.7%", "66.7%"], [3, 0, 0, 0, "100.0%", "100.0%"]]
    examine(page, 400, 120, 50, 60)
    press(page, "confirm_spot")
    assert [row[2] for row in counts(page)] == [2, 1]  # the new face is missed by both
    press(page, "undo_mark")
    press(page, "undo_mark")
    assert counts(page) == [[3, 0, 1, 0, "100.0%", "75.0%"]] * 2
    press(page, "clear_marks")
    assert counts(page) == []


def test_a_point_gets_the_box_of_the_best_candidate(own: AppTest) -> None:
    page = examine(own, 420, 70)  # V2 has a candidate of 0.3 there
    press(page, "adjust_spot")
    assert [field.value for field in page.number_input] == [400, 50, 40, 40]
    press(page, "confirm_spot")
    assert counts(page) == [[0, 0, 1, 3, "–", "0.0%"]] * 2


def test_the_rest_is_false_once_all_faces_are_marked(own: AppTest) -> None:
    page = examine(own, 30, 70)
    press(page, "confirm_spot")
    assert counts(page) == [[1, 0, 0, 2, "100.0%", "100.0%"]] * 2
    (scope,) = limits(page)
    assert "recall and missed faces cover the marked faces only" in scope
    assert "precision covers only the detections that were judged" in scope
    toggle = next(one for one in page.toggle if one.label == "All faces are marked")
    toggle.set_value(True).run()
    assert counts(page) == [[1, 2, 0, 0, "33.3%", "100.0%"]] * 2
    assert limits(page) == []
    press(page, "undo_mark")
    assert not next(one for one in page.toggle if one.label == "All faces are marked").value


def test_marks_outlast_another_photo_and_add_up(own: AppTest) -> None:
    page = press(own, "confirm_all")
    uploader = next(one for one in page.file_uploader if one.label == "Upload photos")
    uploader.set_value([("two.png", photo("blue"), "image/png")]).run()
    assert counts(page, "Your marked photo") == [[3, 0, 1, 0, "100.0%", "75.0%"]] * 2
    press(page, "confirm_all")
    assert counts(page, "Your 2 marked photos") == [[6, 0, 2, 0, "100.0%", "75.0%"]] * 2
    next(one for one in page.toggle if one.label == "All faces are marked").set_value(True).run()
    (scope,) = limits(page)  # this photo's faces are all marked, the other's are not
    assert scope.startswith("“All faces are marked” is off for 1 of your 2 marked photos:")
    page.get_by_key("resize").set_value("study").run()
    assert counts(page, "Your 2 marked photos") == []  # there are no results with these settings yet
    press(page, "count_others")
    assert counts(page, "Your 2 marked photos") == [[6, 0, 2, 0, "100.0%", "75.0%"]] * 2


def importer(page: AppTest) -> FileUploader | None:
    """The field that takes a file with ground truth; it is there once its section is open."""
    return next((one for one in page.file_uploader if one.label.startswith("Import")), None)


def marked_files(page: AppTest) -> list[PhotoFile]:
    marked = page.session_state["marked_photos"]
    return [file for file in [*page.session_state["own_photos"], *SAMPLES] if file.key in marked]


def open_files(page: AppTest) -> FileUploader:
    page.session_state["ground_truth_files"] = True  # as a click on the section's title does
    field = importer(page.run())
    assert field is not None
    return field


def test_the_section_of_files_is_made_when_it_is_opened(own: AppTest) -> None:
    assert importer(own) is None
    open_files(own)


@pytest.mark.parametrize("form", [to_wider_text, to_coco_json], ids=["WIDER FACE", "COCO"])
def test_a_file_marks_the_photos_that_are_here(own: AppTest, form) -> None:
    faces = ((10.0, 50.0, 50.0, 90.0), (400.0, 120.0, 900.0, 900.0), (600.0, 0.0, 610.0, 10.0))
    named = [PhotoFaces("ONE.png", 500, 200, faces), PhotoFaces("other.png", 9, 9, ())]
    page = open_files(own).set_value(("own", form(named).encode(), "text/plain")).run()
    assert [message.value for message in page.success] == [
        "Faces of 1 photo were marked; 1 more in the file are not here\\. There, all faces count as marked, "
        "so that every other detection is a false positive\\."
    ]
    assert counts(page) == [[1, 2, 1, 0, "33.3%", "50.0%"]] * 2  # the third face lies outside the photo


def test_a_photo_whose_faces_are_not_all_marked_stays_so(own: AppTest) -> None:
    named = [PhotoFaces("one.png", 500, 200, ((10.0, 50.0, 50.0, 90.0),), complete=False)]
    page = open_files(own).set_value(("own", to_coco_json(named).encode(), "text/plain")).run()
    assert [message.value for message in page.success] == ["Faces of 1 photo were marked\\."]
    assert counts(page) == [[1, 0, 0, 2, "100.0%", "100.0%"]] * 2  # the others are not judged


@pytest.mark.parametrize("form", [to_wider_text, to_coco_json], ids=["WIDER FACE", "COCO"])
def test_faces_of_photos_with_the_same_name_are_not_mixed_up(own: AppTest, form) -> None:
    uploader = next(one for one in own.file_uploader if one.label == "Upload photos")
    uploader.set_value([("two.png", photo("blue"), "image/png"), ("two.png", photo("lime"), "image/png")])
    box = ((10.0, 50.0, 50.0, 90.0),)
    named = [PhotoFaces(name, 500, 200, box) for name in ("one.png", "one.png", "two.png", "bar.jpg")]
    page = open_files(own.run()).set_value(("own", form(named).encode(), "text/plain")).run()
    assert not page.success
    warnings = [one.value.replace("\\", "") for one in page.warning]
    (message,) = (text for text in warnings if text.startswith("Faces of 1 photo were marked."))
    assert "Not marked: one.png, two.png, as several photos" in message
    assert [file.name for file in marked_files(page)] == ["In a bar"]


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"{", "not a readable COCO file"), (b"a/b.jpg\n0\n0 0 0 0\n", "None of the 1 images")],
)
def test_a_file_that_marks_nothing_says_why(own: AppTest, data: bytes, message: str) -> None:
    page = open_files(own).set_value(("own", data, "text/plain")).run()
    assert message in page.error[0].value.replace("\\", "")


def test_the_samples_faces_are_in_the_form_that_is_exported() -> None:
    marked = marked_photo(SAMPLES[0].key)
    document = json.loads(to_coco_json([PhotoFaces("a.jpg", 1600, 853, marked.faces)]))
    assert len(document["annotations"]) == len(marked.faces) > 0
