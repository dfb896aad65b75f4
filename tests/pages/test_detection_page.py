"""The Detection page over a service that finds the same faces every time."""

from __future__ import annotations

import io
import json
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from featherface.dashboard.components import comparison_panel, missed_face_panel, photo_strip
from featherface.dashboard.components.controls import RESIZE_LABELS
from featherface.dashboard.state.photos import SAMPLES, PhotoFile
from featherface.detection.detector import RawResult
from featherface.detection.drawing import Hide
from featherface.detection.images import ImageError, Photo, decode_photo
from featherface.detection.multiscale import Pass
from featherface.detection.preprocess import Resize
from featherface.detection.settings import DetectionSettings, Scales
from featherface.robustness.missed_faces import CHANGES, Attempt, Spot
from featherface.serving.model_service import ModelService, ModelStatus, UntrainedError
from featherface.serving.network_queue import ServiceBusyError
from tests.pages.conftest import faces, result

CHOSEN = ":material/check:"  # the icon of the photo that is shown


def metrics(page: AppTest) -> dict[str, list[str]]:
    shown: dict[str, list[str]] = {}
    for metric in page.metric:
        shown.setdefault(metric.label, []).append(metric.value)
    return shown


def largest(values: dict[str, str]) -> float:
    """The largest of the numbers of a chart, which Plotly sends in base 64."""
    return np.frombuffer(b64decode(values["bdata"]), values["dtype"]).max()


def photo(colour: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (500, 200), colour).save(file, "PNG")
    return file.getvalue()


def test_first_visit_shows_a_sample_already_analysed(open_page: Callable[..., AppTest]) -> None:
    page = open_page()
    assert not page.exception
    assert not page.error
    assert metrics(page) == {
        "Faces": ["3", "3"],
        "Mean confidence": ["0.82", "0.66"],
        "Latency": ["23 ms", "23 ms"],
        "Found by both": ["2"],
        "Only V1": ["1"],
        "Only V2": ["1"],
    }
    (table,) = page.dataframe
    assert table.value["IoU"].tolist() == pytest.approx([38 / 42] * 2)
    assert table.value["Score difference"].tolist() == pytest.approx([0.05, 0.35])


def test_threshold_filters_again(open_page: Callable[..., AppTest]) -> None:
    page = open_page()
    page.slider(key="conf").set_value(0.58).run()
    assert metrics(page)["Faces"] == ["3", "1"]


def test_separate_thresholds_start_at_the_common_one(open_page: Callable[..., AppTest]) -> None:
    page = open_page(conf="0.58")
    page.toggle(key="linked").set_value(False).run()
    assert (page.slider(key="conf_v1").value, page.slider(key="conf_v2").value) == (0.58, 0.58)
    page.slider(key="conf_v2").set_value(0.2).run()
    assert metrics(page)["Faces"] == ["3", "4"]


def test_threshold_chart_follows_the_resize_mode(
    open_page: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fit and stretch can give a photo the same input size and still feed different pixels."""

    def candidates(_self: ModelService, _photo: object, key: str, given: DetectionSettings, **_: object):
        found = result(key)
        return found if given.resize is Resize.FIT else replace(found, detections=faces((10, 0.95)))

    page = open_page()
    monkeypatch.setattr(ModelService, "merged_candidates", candidates)
    page.get_by_key("resize").set_value(Resize.STUDY).run()

    chart = json.loads(page.get("plotly_chart")[0].proto.spec)["data"]
    most_faces = {trace["name"]: largest(trace["y"]) for trace in chart}
    assert most_faces["FeatherFace V1"] == most_faces["FeatherFace V2"] == 1


def test_link_restores_settings(open_page: Callable[..., AppTest]) -> None:
    page = open_page(
        photo="grace_hopper", conf="0.25", landmarks="false", faces="Blur", resize=RESIZE_LABELS[Resize.STUDY]
    )
    assert page.get_by_key("resize").value == Resize.STUDY
    assert metrics(page)["Faces"] == ["3", "4"]
    assert page.toggle(key="landmarks").value is False
    assert page.button(key="show_grace_hopper").proto.icon == CHOSEN


@pytest.mark.parametrize(
    "query",
    [
        {"conf": "7"},
        {"conf": "nan"},
        {"nms": "words"},
        {"input_size": "100000"},
        {"resize": "bogus"},
        {"faces": "Erase"},
        {"photo": "../../etc/passwd"},
    ],
)
def test_link_with_nonsense_falls_back(open_page: Callable[..., AppTest], query: dict[str, str]) -> None:
    page = open_page(**query)
    assert not page.exception
    assert metrics(page)["Faces"] == ["3", "3"]


def test_back_and_forward_restore_the_photo_of_the_address(
    open_page: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_page()
    page.button(key="show_grace_hopper").click().run()
    assert page.query_params["photo"] == "grace_hopper"
    page.file_uploader[0].upload("secret.png", photo("red"))
    page.run()
    assert chosen(page) == [r"secret\.png"]
    assert page.query_params["photo"] == "own-1"
    monkeypatch.setattr(photo_strip, "is_history_navigation", lambda: True)
    for address, shown in (
        ("grace_hopper", "Grace Hopper"),
        ("own-1", r"secret\.png"),
        ("", SAMPLES[0].name),
    ):
        page.query_params["photo"] = address
        page.run()
        assert chosen(page) == [shown]


@pytest.mark.parametrize("late", ["eileen_collins", "", "own-7"])
def test_an_address_from_before_the_latest_choice_changes_nothing(
    open_page: Callable[..., AppTest], late: str
) -> None:
    """A second control can be used before the new address has reached the browser."""
    page = open_page(photo="eileen_collins")
    page.button(key="show_grace_hopper").click().run()
    page.query_params["photo"] = late
    page.slider(key="conf").set_value(0.7).run()
    assert chosen(page) == ["Grace Hopper"]
    assert page.query_params["photo"] == "grace_hopper"
    page.run()
    assert chosen(page) == ["Grace Hopper"]


@pytest.fixture
def _weights_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every model has weights, as its results say."""

    def status(_self: ModelService, key: str) -> ModelStatus:
        return ModelStatus(key, "ready", result(key).weights, "")

    monkeypatch.setattr(ModelService, "weights_info", status)


@pytest.mark.usefixtures("_weights_ready")
def test_all_photos_in_one_grid_with_both_counts(open_page: Callable[..., AppTest]) -> None:
    page = open_page(view="All photos")
    assert not page.exception
    (table,) = page.dataframe
    assert set(table.value["Photo"]) == {sample.name for sample in SAMPLES}
    assert table.value["Only V2"].tolist() == [1] * len(SAMPLES)
    captions = [text.value for text in page.markdown if "V1: 3 · V2: 3" in text.value]
    assert len(captions) == len(SAMPLES)
    page.slider(key="conf").set_value(0.58).run()
    assert page.dataframe[0].value["V2 faces"].tolist() == [1] * len(SAMPLES)
    page.button(key="open_grace_hopper").click().run()
    assert not page.exception
    assert chosen(page) == ["Grace Hopper"]
    assert metrics(page)["Faces"] == ["3", "1"]


@pytest.mark.usefixtures("_weights_ready")
def test_own_photos_stand_alone_in_all_photos_until_the_samples_are_asked_for(
    open_page: Callable[..., AppTest],
) -> None:
    page = open_page(view="All photos")
    assert "samples" not in [toggle.key for toggle in page.toggle]
    page.file_uploader[0].upload("own.png", photo("red")).run()
    assert page.dataframe[0].value["Photo"].tolist() == ["own.png"]
    summary = "1 photo. Found by only one model: 2 faces in 1 photo. "
    assert any(caption.value.startswith(summary) for caption in page.caption)
    page.toggle(key="samples").set_value(True).run()
    assert set(page.dataframe[0].value["Photo"]) == {"own.png", *(sample.name for sample in SAMPLES)}


def test_all_photos_without_weights_say_so(
    open_page: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    def status(_self: ModelService, key: str) -> ModelStatus:
        if key == "v1":
            return ModelStatus(key, "ready", result(key).weights, "")
        return ModelStatus(key, "untrained", None, "FeatherFace V2 has no trained weights yet.")

    monkeypatch.setattr(ModelService, "weights_info", status)
    page = open_page(view="All photos")
    assert not page.exception
    assert any(
        "FeatherFace V2 has no trained weights yet" in shown.value.replace("\\", "") for shown in page.warning
    )
    assert "V2 faces" not in page.dataframe[0].value


def test_model_without_weights_is_left_out(open_page: Callable[..., AppTest]) -> None:
    page = open_page(failing={"v2": UntrainedError("FeatherFace V2 has no trained weights yet.")})
    (banner,) = page.warning
    assert banner.value.startswith("FeatherFace V2 has no trained weights yet.")
    assert metrics(page)["Faces"] == ["3"]
    assert not page.dataframe  # nothing to match with


def test_busy_service_says_the_position(open_page: Callable[..., AppTest]) -> None:
    page = open_page(failing={"v1": ServiceBusyError(4)})
    (message,) = page.error
    assert "position 4" in message.value
    assert metrics(page)["Faces"] == ["3"]


def test_no_face_is_a_sentence(open_page: Callable[..., AppTest]) -> None:
    page = open_page(conf="0.97")
    assert metrics(page)["Faces"] == ["0", "0"]
    assert metrics(page)["Mean confidence"] == ["–", "–"]
    assert any("No face was found by both models" in caption.value for caption in page.caption)


def test_good_uploads_are_kept_and_bad_ones_explained(
    open_page: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawings = ["of the good one, for a report"]
    monkeypatch.setattr("featherface.dashboard.components.photo_strip.forget_annotated", drawings.clear)
    page = open_page()
    field = page.file_uploader[0]
    field.upload("[good]*.png", photo("red"))
    field.upload("bad.png", b"not an image")
    field.upload("empty.png", b"")
    page.run()
    assert not page.exception
    (refused,) = (block for block in page.expander if block.label == "2 files were not added")
    reasons = refused.markdown[0].value.splitlines()
    assert [line.split(":")[0] for line in reasons] == [r"- **bad\.png**", r"- **empty\.png**"]
    assert "not an image in a supported format" in reasons[0]
    labels = [button.label for button in page.button if button.proto.icon == CHOSEN]
    assert labels == [r"\[good\]\*\.png"]  # shown as it is, not as Markdown
    remove = next(button for button in page.button if button.label.startswith("Remove"))
    remove.click().run()
    assert not page.exception
    assert page.button(key=f"show_{SAMPLES[0].key}").proto.icon == CHOSEN
    assert drawings == []


def test_photo_that_cannot_be_decoded_again_is_a_sentence_in_its_tile(
    open_page: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_file: PhotoFile, _hide: Hide | None) -> bytes:
        raise ImageError("The thumbnail needs more memory than is free.")

    monkeypatch.setattr("featherface.dashboard.components.photo_strip.thumbnail", fail)
    page = open_page()

    assert not page.exception
    tiles = [caption.value for caption in page.caption if "more memory than is free" in caption.value]
    assert len(tiles) == len(SAMPLES)


def test_same_photo_twice_is_one(open_page: Callable[..., AppTest]) -> None:
    page = open_page()
    before = len(page.button)
    page.file_uploader[0].upload("one.png", photo("red"))
    page.file_uploader[0].upload("two.png", photo("red"))
    page.run()
    assert len(page.button) == before + 2  # its own and the one to remove it


def test_a_photo_that_is_there_already_is_selected(open_page: Callable[..., AppTest]) -> None:
    page = open_page()
    page.file_uploader[0].upload("red.png", photo("red"))
    page.run()
    page.file_uploader[0].upload("blue.png", photo("blue"))
    page.run()
    assert chosen(page) == [r"blue\.png"]
    page.file_uploader[0].upload("again.png", photo("red"))
    page.run()
    assert chosen(page) == [r"red\.png"]
    page.file_uploader[0].upload("sample.jpg", SAMPLES[1].source.read_bytes())
    page.run()
    assert chosen(page) == [SAMPLES[1].name]


def test_an_uploaded_sample_is_named_once(open_page: Callable[..., AppTest]) -> None:
    page = open_page()
    page.file_uploader[0].upload("party.jpg", SAMPLES[0].source.read_bytes())  # it is open already
    page.run()
    assert [toast.value for toast in page.toast] == ["party\\.jpg is the sample photo Solvay 1927."]
    page.run()
    assert not page.toast


def chosen(page: AppTest) -> list[str]:
    return [button.label for button in page.button if button.proto.icon == CHOSEN]


@pytest.mark.parametrize(
    "name", ["photo", "a.jpg_large", "IMG!d", "really.HEIC", "two\nlines.png", "n" * 250]
)
def test_the_page_takes_photos_of_any_name(open_page: Callable[..., AppTest], name: str) -> None:
    page = open_page()
    assert not page.file_uploader[0].proto.type  # the browser lets every name through
    page.file_uploader[0].upload(name, photo("red"))
    page.run()
    assert not page.exception
    assert not [block for block in page.expander if "not added" in block.label]
    (label,) = chosen(page)
    assert "\n" not in label


def test_a_blank_or_incomplete_photo_says_so(open_page: Callable[..., AppTest]) -> None:
    page = open_page()
    page.file_uploader[0].upload("blank.png", photo("red"))
    page.run()
    assert any(warning.value.startswith("This image is blank") for warning in page.warning)
    page.file_uploader[0].upload("cut.jpg", SAMPLES[2].source.read_bytes()[:-2])
    page.run()
    assert any("file is incomplete" in warning.value for warning in page.warning)


def test_refused_checkpoint_is_named(open_page: Callable[..., AppTest], tmp_path: Path) -> None:
    (tmp_path / "mine.pth").write_bytes(b"no zip file")
    page = open_page()
    assert any("mine\\.pth is not a checkpoint" in caption.value for caption in page.caption)


def test_faces_of_several_runs_say_which_found_them(
    open_page: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def candidates(_self: ModelService, _photo: object, key: str, given: DetectionSettings, **_: object):
        asked.append((given.scales, given.rotated))
        found = result(key)
        sizes = ((480, 640), (240, 320))
        passes = tuple(
            Pass(RawResult(found.detections, {"network": 20.0}, size), Resize.FIT, 640) for size in sizes
        )
        marked = replace(found.detections, found_by=np.arange(len(found.detections)) % 2)
        return replace(found, detections=marked, passes=passes)

    page = open_page()
    monkeypatch.setattr(ModelService, "merged_candidates", candidates)
    page.get_by_key("rotated").set_value(True).run()
    assert asked[:2] == [(Scales.AUTO, True)] * 2
    (table,) = page.dataframe
    assert table.value["V1 found at"].tolist() == ["640 × 480 px", "320 × 240 px"]
    captions = " ".join(caption.value for caption in page.caption)
    assert (
        "2 runs: 640 × 480 px: 20 ms, 2 of 3 faces taken; 320 × 240 px: 20 ms, 1 of 3 faces taken."
        in captions
    )
    asked.clear()
    page.get_by_key("resize").set_value(Resize.STUDY).run()
    assert asked[:2] == [(Scales.ONE, True)] * 2  # off as in the study


def test_a_missed_face_is_explained_by_each_model(open_page: Callable[..., AppTest]) -> None:
    page = open_page(photo="eileen_collins")
    assert not [text for text in page.markdown if "candidate" in text.value]  # nothing is marked yet
    fields = {field.label: field for field in page.number_input}
    fields["x (px)"].set_value(420)
    fields["y (px)"].set_value(70).run()
    sentences = " ".join(text.value.replace("\\", "") for text in page.markdown)
    assert "FeatherFace V1 has no candidate here. No single change of the photo brings it back." in sentences
    assert "FeatherFace V2's best candidate here scores 0.30, below the threshold of 0.50" in sentences
    assert "a threshold of 0.30 shows it" in sentences or "a threshold of 0.29 shows it" in sentences


def test_a_face_of_one_model_can_be_chosen(open_page: Callable[..., AppTest]) -> None:
    page = open_page(photo="eileen_collins")
    choice = next(box for box in page.selectbox if box.label == "Face found by one model only")
    assert choice.options == [
        "V1 only, 0.60: 40 × 40 px at (200, 50)",
        "V2 only, 0.52: 40 × 40 px at (300, 50)",
    ]
    choice.select_index(1).run()
    assert not page.exception
    assert [field.value for field in page.number_input] == [300, 50, 40, 40]
    sentences = " ".join(text.value.replace("\\", "") for text in page.markdown)
    assert "FeatherFace V2 found this face with a score of 0.52." in sentences
    assert "FeatherFace V1 has no candidate here." in sentences


def test_a_click_asks_about_a_point_and_shows_no_size_of_0(
    open_page: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    picked = [Spot(300, 50, 340, 90), Spot(420, 70)]  # a box is drawn, then a point is clicked
    monkeypatch.setattr(comparison_panel, "show_viewer", lambda *_, **__: picked.pop(0) if picked else None)
    page = open_page(photo="eileen_collins")
    assert [field.value for field in page.number_input] == [300, 50, 40, 40]
    page.run()
    assert not page.exception
    assert [field.value for field in page.number_input] == [420, 70, None, None]
    assert any("best candidate here scores 0\\.30" in text.value for text in page.markdown)


def test_hidden_faces_are_hidden_in_all_thumbnails_from_the_first_run_on(
    open_page: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[bytes] = []
    monkeypatch.setattr("streamlit.image", lambda image, **_: shown.append(image))
    page = open_page(faces="Pixelate")
    assert not page.exception
    assert len(shown) == len(SAMPLES)
    for tile in shown:
        cell = decode_photo(tile).pixels[:20, :20].astype(int)  # of eight in a row
        assert np.ptp(cell, axis=(0, 1)).max() < 12  # what JPEG leaves of one colour
    shown.clear()
    page.get_by_key("faces").set_value("Off").run()
    assert np.ptp(decode_photo(shown[0]).pixels[:20, :20].astype(int)) > 50


def test_hidden_faces_are_hidden_in_the_explanation_of_a_missed_face(
    open_page: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The models get the photo itself."""
    shown: list[object] = []
    examined: list[Photo] = []

    def attempts(photo: Photo, *_: object) -> tuple[Attempt, ...]:
        examined.append(photo)
        return (Attempt(CHANGES[0], 0.9, (100, 50, 140, 90), found=True),)  # where both models found a face

    monkeypatch.setattr("streamlit.image", lambda image, **_: shown.append(image))
    monkeypatch.setattr(missed_face_panel, "attempts", attempts)
    crops = {}
    for hide in ("Off", "Blur"):
        page = open_page(photo="grace_hopper", faces=hide)
        fields = {field.label: field for field in page.number_input}
        fields["x (px)"].set_value(450)
        fields["y (px)"].set_value(300).run()  # no face was found here
        assert not page.exception
        crops[hide] = next(image for image in shown if isinstance(image, np.ndarray))
        shown.clear()
    np.testing.assert_array_equal(crops["Off"][:20], crops["Blur"][:20])  # beside the face
    detail = {hide: cv2.Laplacian(crop[40:110, 40:110], cv2.CV_64F).std() for hide, crop in crops.items()}
    assert detail["Blur"] < detail["Off"] / 3
    original = decode_photo(next(one.source for one in SAMPLES if one.key == "grace_hopper"))
    assert all(photo.digest == original.digest for photo in examined)
