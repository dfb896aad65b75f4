"""The accuracy page: only what compares shares a chart, and people's files are scored or refused."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from featherface.config import MAX_BYTES
from featherface.dashboard.state.session_evaluations import evaluate_zip
from featherface.evaluation.curves import load_curves, save_curves
from featherface.serving.benchmark_queue import BenchmarkQueue
from featherface.serving.model_service import ModelService
from featherface.serving.network_queue import ServiceBusyError

ROOT = Path(__file__).resolve().parents[2]
Open = Callable[..., AppTest]


@pytest.fixture
def open_accuracy(monkeypatch: pytest.MonkeyPatch, found_faces: None) -> Open:
    """A function that opens the page over a folder of weights with query parameters."""
    monkeypatch.chdir(ROOT)

    def opened(folder: Path, **query: str | list[str]) -> AppTest:
        monkeypatch.setenv("FEATHERFACE_WEIGHTS", str(folder))
        st.cache_resource.clear()
        page = AppTest.from_file(str(ROOT / "pages" / "accuracy.py"), default_timeout=120)
        page.query_params.update(query)
        return page.run()

    return opened


@pytest.fixture
def open_app(monkeypatch: pytest.MonkeyPatch, found_faces: None) -> Open:
    """A function that opens the page within the whole dashboard, which measures nothing."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("gc.freeze", lambda: None)  # right for a server, not for a process full of tests
    monkeypatch.setattr(BenchmarkQueue, "submit", lambda *_: None)

    def opened(folder: Path) -> AppTest:
        monkeypatch.setenv("FEATHERFACE_WEIGHTS", str(folder))
        st.cache_resource.clear()
        app = AppTest.from_file(str(ROOT / "featherface/dashboard/frame.py"), default_timeout=240).run()
        return app.switch_page("../../pages/accuracy.py").run()

    return opened


@pytest.fixture
def much_measured(measured_weights: Path) -> Path:
    """Weights with two official results, two by face height and two stages of training."""
    folder = measured_weights / "evaluation"
    for saved in [load_curves(path)[0] for path in sorted(folder.glob("*.json"))]:
        evaluation, curve = saved.evaluation, saved.evaluation.curves["hard"]
        heights = replace(evaluation, protocol="manifest", curves={"all": curve, "over 96 px": curve})
        for name, found in (("val", heights), ("tenth", evaluation), ("tenth", heights)):
            again = replace(saved, image_set=name, evaluation=found)
            save_curves(folder / f"{saved.model}_{name}_{found.protocol}.json", [again])
    logs = measured_weights / "training"
    logs.mkdir()
    for name in ("v1_whole", "v2_neck"):
        (logs / f"{name}_log.csv").write_text("time,step,mean\n,20,2\n")
    return measured_weights


def charts(page: AppTest) -> dict[str, list[dict]]:
    """The traces of each chart by the title of its vertical axis."""
    found = {}
    for chart in page.get("plotly_chart"):
        figure = json.loads(chart.proto.spec)
        found[figure["layout"]["yaxis"]["title"]["text"]] = figure["data"]
    return found


def annotated_zip() -> bytes:
    """One image whose faces are where V1 finds its first three, so that V1 misses nothing."""
    image = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (200, 640, 3), np.uint8)
    Image.fromarray(noise).save(image, "PNG")
    boxes = "".join(f"{left} 50 40 40\n" for left in (10, 100, 200))
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("0--Party/one.png", image.getvalue())
        archive.writestr("party_bbx_gt.txt", f"0--Party/one.png\n3\n{boxes}")
    return data.getvalue()


def with_a_damaged_image(data: bytes) -> bytes:
    """The same zip with a further image that is none, and an annotation of one that it lacks."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    contents["party_bbx_gt.txt"] += b"0--Party/bad.png\n1\n1 2 30 40\n0--Party/absent.png\n1\n1 2 30 40\n"
    contents["0--Party/bad.png"] = b"not an image"
    changed = io.BytesIO()
    with zipfile.ZipFile(changed, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return changed.getvalue()


def test_without_results_nothing_is_claimed_but_what_is_published(open_accuracy, tmp_path):
    page = open_accuracy(tmp_path)

    assert not page.exception
    table = page.table[0].value
    assert [":blue-badge" in cell for cell in table["Model"]] == [True, False]
    assert list(table["Mean"]) == ["0.872", "≥ 0.92"]
    assert list(charts(page)) == ["Average precision, hard (%)"]


def test_results_of_the_weights_in_use_are_shown(open_accuracy, measured_weights):
    page = open_accuracy(measured_weights)

    assert not page.exception
    assert list(page.table[0].value["Hard"])[:2] == ["0.900", "0.800"]
    assert [bar["x"] for bar in charts(page)["Subset"]] == [[0.9] * 3, [0.8] * 3]
    assert [line["name"] for line in charts(page)["Precision"]] == [
        "FeatherFace V1: 0.900",
        "FeatherFace V2: 0.800",
    ]


def hard_cases(sha256: str, model: str = "v1") -> dict[str, object]:
    counted = {"images": 4, "detections": 6, "images_with_detections": 1}
    cases = {
        "close_ups": {"images": 25, "found": 24, "other_boxes": 3},
        "photos_without_faces": counted,
        "textures": counted | {"detections": 1},
    }
    return {"model": model, "weights_sha256": sha256, "confidence": 0.5, "original": cases}


def test_false_positives_and_close_ups_of_the_weights_in_use_are_shown(open_accuracy, measured_weights):
    folder = measured_weights / "evaluation" / "hard_cases"
    folder.mkdir()
    in_use = load_curves(measured_weights / "evaluation" / "v1_val.json")[0].weights_sha256
    rows = [hard_cases(in_use), hard_cases("of other weights", "v2")]
    (folder / "hard_cases.json").write_text(json.dumps(rows))
    page = open_accuracy(measured_weights)

    assert not page.exception
    (table,) = (table.value for table in page.table if "Original size" in table.value)
    assert list(table) == ["Original size", "V1"]  # not V2, whose result is of other weights
    row = dict(table.itertuples(index=False))
    assert (row["Close-ups found"], row["Other boxes on close-ups"]) == ("24 of 25", "3")
    assert row["False positives per photo without faces"].startswith("1.50")
    assert "on 1 of 4" in row["False positives per generated texture"]
    assert any("benchmarks" in line.value and "badge" in line.value for line in page.markdown)


def test_without_hard_cases_of_these_weights_the_page_says_how_to_measure_them(
    open_accuracy, measured_weights
):
    page = open_accuracy(measured_weights)
    (command,) = (code.value for code in page.code if "benchmarks.hard_cases" in code.value)
    assert "--source" in command  # without one, close-ups would come from every source of the manifest


def test_each_protocol_has_a_symbol_of_its_own(open_accuracy, measured_weights):
    page = open_accuracy(measured_weights)
    (alone,) = charts(page)["Average precision, hard (%)"]
    assert alone["name"] == "original size"
    assert "V2, measured" in alone["text"]

    page.get_by_key("protocols").set_value(["original size", "VGA"]).run()

    both = charts(page)["Average precision, hard (%)"]
    assert [trace["name"] for trace in both] == ["original size", "VGA"]
    assert both[0]["marker"]["symbol"] != both[1]["marker"]["symbol"]
    captions = "\n".join(caption.value for caption in page.caption)
    assert "Compare published results only where the symbol is the same" in captions
    assert "all 3,226 images of WIDER FACE val, ours on 20 images" in captions
    assert "states 490,000 parameters. V1 here" in captions.replace("\\", "")


def test_training_logs_are_drawn(open_accuracy, tmp_path):
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "v2_whole_log.csv").write_text("time,step,mean,box\n,20,2,1\n,40,1,0.5\n")
    (tmp_path / "training" / "v2_whole_scores.csv").write_text("step,easy,hard\n40,0.5,0.25\n")

    drawn = charts(open_accuracy(tmp_path))

    assert [trace["name"] for trace in drawn["Loss"]] == ["box", "mean"]
    assert [trace["name"] for trace in drawn["Average precision"]] == ["easy", "hard"]


def test_a_damaged_image_is_named_and_the_others_are_scored(open_accuracy, measured_weights):
    page = open_accuracy(measured_weights)

    page.file_uploader(key="zip_upload").upload("party.zip", with_a_damaged_image(annotated_zip())).run()
    page.button(key="evaluate_zip").click().run()

    assert not page.exception
    assert not page.error
    assert any("by face height, 1 image," in line.value for line in page.markdown if "party" in line.value)
    (left_out,) = (block for block in page.expander if block.label == "2 images were left out")
    lines = left_out.markdown[0].value.replace("\\", "").splitlines()
    assert lines[0] == "- 0--Party/absent.png: not in the zip."
    assert lines[1].startswith("- 0--Party/bad.png: The photo is not an image in a supported format")


def test_uploaded_images_are_scored_by_both_models(open_accuracy, measured_weights):
    page = open_accuracy(measured_weights)

    page.file_uploader(key="zip_upload").upload("party.zip", annotated_zip()).run()
    page.button(key="evaluate_zip").click().run()

    assert not page.exception
    assert not page.error
    shown = [line.value for line in page.markdown if "party\\.zip" in line.value]
    assert "by face height, 1 image," in shown[0]
    own = json.loads(page.get("plotly_chart")[-2].proto.spec)["data"]
    first, second = (dict(zip(bar["y"], bar["x"], strict=True)) for bar in own)
    assert first["all"] > 0.99 > second["all"]


ADDRESS = {
    "official_run": "tenth, original size, 20 images",
    "official_subset": "easy",
    "heights_run": "tenth, original size, 20 images",
    "heights_subset": "over 96 px",
    "protocols": ["original size", "VGA"],
    "peer_width": "Operations",
    "peer_measure": "mean",
    "training_log": "FeatherFace V2: neck",
}


def test_a_link_shows_the_choices_of_whoever_sent_it(open_accuracy, much_measured):
    page = open_accuracy(much_measured, **ADDRESS)

    assert not page.exception
    shown = {key: page.session_state[key] for key in ADDRESS}
    assert shown == ADDRESS | {"peer_width": "operations"}
    assert sum("tenth, original size\\:" in line.value for line in page.markdown) == 2
    assert "Average precision, mean (%)" in charts(page)


def test_a_second_evaluation_of_one_model_can_be_chosen_too(open_accuracy, measured_weights):
    (saved,) = load_curves(measured_weights / "evaluation" / "v1_val.json")
    save_curves(measured_weights / "evaluation" / "again.json", [saved])
    page = open_accuracy(measured_weights)
    assert len(charts(page)["Precision"]) == 2

    page.get_by_key("official_run").select_index(1).run()

    assert len(charts(page)["Precision"]) == 1


@pytest.mark.parametrize("value", ["", "nonsense"])
def test_a_link_that_makes_no_sense_shows_what_it_would_without(open_accuracy, much_measured, value):
    page = open_accuracy(much_measured, **dict.fromkeys(ADDRESS, value))

    assert not page.exception
    assert "Average precision, hard (%)" in charts(page) or not value  # no protocol is a choice too


def test_choices_stand_in_the_address_and_outlast_another_page(open_app, much_measured):
    app = open_app(much_measured)
    for key, value in ADDRESS.items():
        app.get_by_key(key).set_value("operations" if key == "peer_width" else value)
    app.run()
    assert {key: app.get_by_key(key).proto.query_param_key for key in ADDRESS} == {
        key: key for key in ADDRESS
    }

    app.switch_page("../../pages/flops.py").run()
    app.switch_page("../../pages/accuracy.py").run()

    assert not app.exception
    assert {key: app.session_state[key] for key in ADDRESS} == ADDRESS | {"peer_width": "operations"}


def test_own_results_are_shown_when_they_come_and_a_choice_outlasts_another_page(open_app, measured_weights):
    app = open_app(measured_weights)
    for name in ("one.zip", "two.zip"):
        app.file_uploader(key="zip_upload").set_value((name, annotated_zip(), "application/zip")).run()
        app.button(key="evaluate_zip").click().run()
        assert app.get_by_key("own_subset").value == "all"
        own = [line.value for line in app.markdown if "\\.zip" in line.value]
        assert [name.split(".")[0] in line for line in own] == [True]

    older = next(option for option in app.get_by_key("own_run").options if option.startswith("one"))
    app.get_by_key("own_run").set_value(older)
    app.get_by_key("own_subset").set_value("32-96 px").run()
    app.switch_page("../../pages/flops.py").run()
    app.switch_page("../../pages/accuracy.py").run()

    assert app.get_by_key("own_run").value == older
    assert app.get_by_key("own_subset").value == "32-96 px"
    assert "own_run" not in app.query_params


def test_a_full_queue_is_waited_for_and_nothing_is_lost(open_accuracy, measured_weights, monkeypatch):
    asked = []

    def busy_at_first(service: ModelService, photo: object, key: str, *_: object, **more: object) -> object:
        asked.append(key)
        if asked in (["v1"], ["v1", "v1", "v2"]):
            raise ServiceBusyError(33)
        return detect(service, photo, key, *_, **more)

    detect = ModelService.detect
    monkeypatch.setattr(ModelService, "detect", busy_at_first)
    monkeypatch.setattr("featherface.serving.network_queue._RETRY_SECONDS", 0.0)
    page = open_accuracy(measured_weights)
    page.file_uploader(key="zip_upload").upload("party.zip", annotated_zip()).run()
    page.button(key="evaluate_zip").click().run()

    assert not page.error
    assert asked == ["v1", "v1", "v2", "v2"]
    assert any("party\\.zip" in line.value for line in page.markdown)


def test_waiting_for_a_full_queue_ends_with_the_session(measured_weights, monkeypatch):
    def busy(*_: object, **__: object) -> object:
        raise ServiceBusyError(33)

    def session_ended(*_: object) -> None:
        raise InterruptedError

    monkeypatch.setenv("FEATHERFACE_WEIGHTS", str(measured_weights))
    monkeypatch.setattr(ModelService, "detect", busy)
    st.cache_resource.clear()

    with pytest.raises(InterruptedError):
        evaluate_zip(annotated_zip(), "party.zip", session_ended)


@pytest.mark.parametrize(
    ("uploader", "button", "name", "data", "message"),
    [
        pytest.param("zip_upload", "evaluate_zip", "a.zip", b"nothing", "not a zip file", id="zip"),
        pytest.param(
            "curves_upload", "add_curves", "a.json", b"{}", "not a readable results file", id="curves"
        ),
        pytest.param(
            "zip_upload", "evaluate_zip", "a.zip", annotated_zip(), "nothing to evaluate", id="no weights"
        ),
        pytest.param(
            "curves_upload",
            "add_curves",
            "a.json",
            b'{"curves": []}',
            "a\\.json contains no results of FeatherFace V1 or FeatherFace V2",
            id="no curves",
        ),
        *(
            pytest.param(
                uploader, button, name, bytes(MAX_BYTES + 1), "the limit is 30 MB", id=f"large {name}"
            )
            for uploader, button, name in (
                ("zip_upload", "evaluate_zip", "a.zip"),
                ("curves_upload", "add_curves", "a.json"),
            )
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


def test_results_of_unknown_models_alone_are_refused(open_accuracy, measured_weights):
    document = json.loads((measured_weights / "evaluation" / "v1_val.json").read_text())
    document["curves"][0]["model"] = "v9"
    page = open_accuracy(measured_weights)

    page.file_uploader(key="curves_upload").upload("a.json", json.dumps(document).encode()).run()
    page.button(key="add_curves").click().run()

    assert "contains no results of FeatherFace V1" in page.error[0].value
