"""Uploads of any name are judged by their content, and a photo that is there already is selected."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace

import pytest
import streamlit as st
from PIL import Image

from featherface.dashboard.state import photos
from featherface.dashboard.state.photos import SAMPLES, PhotoFile, Upload, add_photos, own_photos
from featherface.detection.drawing import Hide


@pytest.fixture(autouse=True)
def session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the test a session of its own."""
    monkeypatch.setattr(st, "session_state", {})


def jpeg(colour: str = "red") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(file, "JPEG")
    return file.getvalue()


def upload(**files: bytes) -> Upload:
    return uploaded(files)


def uploaded(files: dict[str, bytes]) -> Upload:
    return add_photos(
        SimpleNamespace(name=name, getvalue=lambda data=data: data) for name, data in files.items()
    )


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        pytest.param("photo", "photo", id="no extension"),
        pytest.param("a.jpg_large", "a.jpg_large", id="odd extension"),
        pytest.param("IMG!d", "IMG!d", id="odd letters"),
        pytest.param("really.HEIC", "really.HEIC", id="another format's extension"),
        pytest.param("two\nlines\t.png", "two lines .png", id="line break"),
        pytest.param("caf\udce9.png", r"caf\xe9.png", id="not UTF-8"),
        pytest.param("turned\u202egnp.exe", r"turned\u202egnp.exe", id="direction of writing"),
        pytest.param("n" * 250, "n" * 54 + "\u2026" + "n" * 25, id="250 letters"),
        pytest.param("", "Photo", id="no name"),
    ],
)
def test_names_are_shown_on_one_line_and_never_decide(name: str, shown: str) -> None:
    result = uploaded({name: jpeg()})
    assert result.refusals == ()
    (photo,) = own_photos()
    assert (photo.name, photo.key) == (shown, result.chosen)
    assert photo.name.encode()  # no letter that a browser cannot be sent


def test_each_refused_file_is_named_and_the_others_stay() -> None:
    result = uploaded({"a\n.txt": b"words", "good": jpeg(), "b.png": b"", "c.jpg": jpeg()[:300]})
    assert [name for name, _ in result.refusals] == ["a .txt", "b.png", "c.jpg"]
    assert "not an image" in result.refusals[0][1]
    assert "empty" in result.refusals[1][1]
    assert [photo.key for photo in own_photos()] == [result.chosen]


def test_a_photo_that_is_there_already_is_selected() -> None:
    red, blue = (upload(a=jpeg(colour)).chosen for colour in ("red", "blue"))
    assert upload(again=jpeg("red")).chosen == red != blue
    assert upload(again=jpeg("red"), new=jpeg("green")).chosen not in (red, blue)
    assert len(own_photos()) == 3


def test_a_photo_that_two_runs_of_the_page_read_at_once_is_added_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever clicks while a photo is decoded starts a second run, which is given the same upload."""
    thumbnail, file = photos.thumbnail, jpeg("purple")

    def thumbnail_after_another_run(photo: PhotoFile, hide: Hide | None) -> bytes:
        monkeypatch.setattr(photos, "thumbnail", thumbnail)
        upload(again=file)
        return thumbnail(photo, hide)

    monkeypatch.setattr(photos, "thumbnail", thumbnail_after_another_run)
    result = upload(once=file)
    (photo,) = own_photos()
    assert photo.key == result.chosen


def test_an_uploaded_sample_selects_the_sample() -> None:
    result = upload(mine=SAMPLES[1].source.read_bytes(), other=b"words")
    assert result.chosen == SAMPLES[1].key
    assert result.samples == (("mine", SAMPLES[1].name),)
    assert own_photos() == []


def test_nothing_is_selected_where_all_files_are_refused() -> None:
    assert upload(a=b"words").chosen is None


def test_notices_are_kept_with_the_photo() -> None:
    upload(blank=jpeg(), cut=SAMPLES[2].source.read_bytes()[:-2])
    blank, cut = own_photos()
    assert blank.notice.startswith("This image is blank")
    assert cut.notice.startswith("This file is incomplete: its end is missing")


def test_each_sample_has_a_credit_and_stands_in_the_list_of_sources() -> None:
    files = [sample.source for sample in SAMPLES if isinstance(sample.source, Path)]
    sources = (files[0].parents[1] / "README.md").read_text(encoding="utf-8")
    assert {file.name for file in files} == {file.name for file in files[0].parent.glob("*.jpg")}
    assert [file.name for file in files if f"| `samples/{file.name}` |" not in sources] == []
    assert [sample.key for sample in SAMPLES if not sample.credit] == []


def test_samples_are_small_and_carry_no_metadata() -> None:
    files = [sample.source for sample in SAMPLES if isinstance(sample.source, Path)]
    assert sum(file.stat().st_size for file in files) < 3_000_000
    for file in files:
        with Image.open(file) as image:
            assert max(image.size) <= 1600, file.name
            assert not {"exif", "icc_profile", "xmp", "photoshop"} & image.info.keys(), file.name


def test_a_thumbnail_without_memory_refuses_the_file_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fit(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("featherface.dashboard.state.photos.ImageOps.fit", fit)
    ((name, reason),) = upload(party=jpeg("teal")).refusals
    assert (name, own_photos()) == ("party", [])
    assert reason.startswith("The photo needs more memory than is free")
