"""The accuracy page: only what compares shares a chart, and people's files are scored or refused."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).resolve().parents[2]
Open = Callable[[Path], AppTest]


@pytest.fixture
def open_accuracy(monkeypatch: pytest.MonkeyPatch, found_faces: None) -> Open:
    """A function that opens the page over a folder of weights."""
    monkeypatch.chdir(ROOT)

    def opened(folder: Path) -> AppTest:
        monkeypatch.setenv("FEATHERFACE_WEIGHTS", str(folder))
        st.cache_resource.clear()
        return AppTest.from_file(str(ROOT / "pages" / "accuracy.py"), default_timeout=120).run()

    return opened


def charts(page: AppTest) -> dict[str, list[dict]]:
    """The traces of each chart by the title of its vertical axis, or else of its horizontal one."""
    found = {}
    for chart in page.get("plotly_chart"):
        figure = json.loads(chart.proto.spec)
        across, upright = (figure["layout"][axis]["title"]["text"] for axis in ("xaxis", "yaxis"))
        found[upright or across] = figure["data"]
    return found


def annotated_zip() -> bytes:
    """One picture whose faces are where V1 finds its first three, so that V1 misses nothing."""
    picture = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (200, 640, 3), np.uint8)
    Image.fromarray(noise).save(picture, "PNG")
    boxes = "".join(f"{left} 50 40 40\n" for left in (10, 100, 200))
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("0--Party/one.png", picture.getvalue())
        archive.writestr("party_bbx_gt.txt", f"0--Party/one.png\n3\n{boxes}")
    return data.getvalue()


def test_without_results_nothing_is_claimed_but_what_is_published(open_accuracy, tmp_path):
    page = open_accuracy(tmp_path)

    assert not page.exception
    table = page.table[0].value
    assert [":blue-badge" in cell for cell in table["Model"]] == [True, False]
    assert list(table["Mean"]) == ["0.872", "0.92+"]
    assert list(charts(page)) == ["Average precision, hard, %"]


def test_results_of_the_weights_in_use_are_shown(open_accuracy, measured_weights):
    page = open_accuracy(measured_weights)

    assert not page.exception
    assert list(page.table[0].value["Hard"])[:2] == ["0.900", "0.800"]
    assert [bar["x"] for bar in charts(page)["Average precision"]] == [[0.9] * 3, [0.8] * 3]
    assert [line["name"] for line in charts(page)["Precision"]] == [
        "FeatherFace V1: 0.900",
        "FeatherFace V2: 0.800",
    ]


def test_each_protocol_has_a_symbol_of_its_own(open_accuracy, measured_weights):
    page = open_accuracy(measured_weights)
    (alone,) = charts(page)["Average precision, hard, %"]
    assert alone["name"] == "original size"
    assert "V2, measured" in alone["text"]

    page.get_by_key("protocols").set_value(["original size", "VGA"]).run()

    both = charts(page)["Average precision, hard, %"]
    assert [trace["name"] for trace in both] == ["original size", "VGA"]
    assert both[0]["marker"]["symbol"] != both[1]["marker"]["symbol"]
    assert any("compare only points of one symbol" in caption.value for caption in page.caption)


def test_training_logs_are_drawn(open_accuracy, tmp_path):
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "v2_whole_log.csv").write_text("time,step,mean,box\n,20,2,1\n,40,1,0.5\n")
    (tmp_path / "training" / "v2_whole_scores.csv").write_text("step,easy,hard\n40,0.5,0.25\n")

    drawn = charts(open_accuracy(tmp_path))

    assert [trace["name"] for trace in drawn["Loss"]] == ["box", "mean"]
    assert [trace["name"] for trace in drawn["Average precision"]] == ["easy", "hard"]


def test_uploaded_pictures_are_scored_by_both_models(open_accuracy, measured_weights):
    page = open_accuracy(measured_weights)

    page.file_uploader(key="zip_upload").upload("party.zip", annotated_zip()).run()
    page.button(key="evaluate_zip").click().run()

    assert not page.exception
    assert not page.error
    shown = [line.value for line in page.markdown if "party\\.zip" in line.value]
    assert "by face height, 1 picture," in shown[0]
    own = json.loads(page.get("plotly_chart")[-2].proto.spec)["data"]
    first, second = (dict(zip(bar["y"], bar["x"], strict=True)) for bar in own)
    assert first["all"] > 0.99 > second["all"]


@pytest.mark.parametrize(
    ("uploader", "button", "name", "data", "message"),
    [
        pytest.param("zip_upload", "evaluate_zip", "a.zip", b"nothing", "no zip file", id="zip"),
        pytest.param(
            "curves_upload", "add_curves", "a.json", b"{}", "not a readable curves file", id="curves"
        ),
    ],
)
def test_files_that_cannot_be_used_are_refused(
    open_accuracy, tmp_path, uploader, button, name, data, message
):
    page = open_accuracy(tmp_path)

    page.file_uploader(key=uploader).upload(name, data).run()
    page.button(key=button).click().run()

    assert not page.exception
    assert message in page.error[0].value
