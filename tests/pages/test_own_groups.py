"""Groups that a visitor labelled, on the Robustness page."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from featherface.dashboard.state.session_groups import GroupResult
from featherface.robustness.attribute_slices import Slice
from featherface.robustness.labelled_stress import Estimate
from featherface.robustness.robustness_results import SavedSlices
from tests.pages.conftest import ROOT

IMAGES = 12
GROUPS = "image,face,tone\n" + "".join(f"{n}.png,1,a\n" for n in range(IMAGES)) + "0.png,2,b\n1.png,2,b\n"


def people() -> bytes:
    """Twelve images, each with three faces where both models find two."""
    image, data = io.BytesIO(), io.BytesIO()
    Image.fromarray(np.full((200, 640, 3), 90, np.uint8)).save(image, "PNG")
    boxes = "".join(f"{left} 50 40 40\n" for left in (10, 100, 500))
    with zipfile.ZipFile(data, "w") as archive:
        for number in range(IMAGES):
            archive.writestr(f"{number}.png", image.getvalue())
        archive.writestr("people_bbx_gt.txt", "".join(f"{n}.png\n3\n{boxes}" for n in range(IMAGES)))
    return data.getvalue()


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, measured_weights: Path, found_faces: None) -> AppTest:
    monkeypatch.setenv("FEATHERFACE_WEIGHTS", str(measured_weights))
    monkeypatch.chdir(ROOT)
    st.cache_resource.clear()
    return AppTest.from_file(str(ROOT / "pages" / "robustness.py"), default_timeout=120).run()


def upload(page: AppTest, archive: bytes, groups: bytes) -> AppTest:
    page.file_uploader(key="groups_zip").upload("people.zip", archive)
    page.file_uploader(key="groups_csv").upload("people.csv", groups).run()
    return page


def texts(page: AppTest) -> str:
    return "\n".join(block.value for block in (*page.markdown, *page.error))


def test_both_models_are_compared_on_each_group(page: AppTest) -> None:
    upload(page, people(), GROUPS.encode())
    page.button(key="compare_groups").click().run()
    assert not page.exception
    assert not page.error
    table = page.dataframe[-1].value
    rows = table[table["Face height"] == "32-96 px"].set_index("Value")
    assert rows["Faces"].to_dict() == {"a": 12, "b": 2}
    for model in ("V1", "V2"):
        assert rows.loc["a", f"{model} recall"] == "1.000 (1.000–1.000)"
        assert rows.loc["b", f"{model} recall"].startswith("Only 2 images with faces")
    assert "22 of 36 faces have no value of tone" in texts(page)
    assert "combinations of group and face height have faces in too few images" in texts(page)

    page.button(key="forget_groups").click().run()
    assert "have no value of tone" not in texts(page)


def test_only_what_was_not_measured_is_said(page: AppTest) -> None:
    half = Estimate(0.5, (0.4, 0.6))
    measured = SavedSlices("v1", "checksum", "people.zip", 12, 0.5, "2026-01-02T03:04:05+00:00", False, ())
    for labelled in (35, 36):
        slices = (Slice("tone", "a", "32-96 px", labelled, 12, half, half),)
        page.session_state["own_groups"] = GroupResult("tone", 36, (replace(measured, slices=slices),), ())
        page.run()
        assert not page.exception
        assert "in too few images" not in texts(page)
        said = "1 of 36 faces has no value of tone" in texts(page)
        assert said is (labelled == 35)
        assert ("value of tone" in texts(page)) is said


@pytest.mark.parametrize(
    ("archive", "groups", "message"),
    [
        pytest.param(
            people(), b"image,tone\nother.png,a\n", "the ground truth has no image", id="other image"
        ),
        pytest.param(people(), b"image,tone\n0.png,\n", "is empty", id="no value"),
        pytest.param(b"nothing", GROUPS.encode(), "not a zip file", id="no zip"),
    ],
)
def test_files_that_do_not_fit_are_one_sentence(page, archive, groups, message) -> None:
    upload(page, archive, groups)
    page.button(key="compare_groups").click().run()
    assert not page.exception
    assert message in texts(page)


def test_a_file_without_groups_offers_no_comparison(page: AppTest) -> None:
    upload(page, people(), b"image,face\n")
    assert "no column besides image and face" in texts(page)
    assert page.button(key="compare_groups").disabled
