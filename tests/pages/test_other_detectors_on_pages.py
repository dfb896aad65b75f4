"""YuNet and CenterFace beside the models on Detection, Latency and Live; without files, nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Selectbox

from featherface.checkpoints.detector_files import inspect_detector
from featherface.dashboard.components.model_pair import pair_address
from featherface.dashboard.state.shared_service import benchmark_queue
from featherface.models import MODELS, OTHER_DETECTORS
from featherface.serving.model_service import ModelService
from tests.detector_models import centerface_model, yunet_model
from tests.pages.conftest import FOUND, result

ROOT = Path(__file__).resolve().parents[2]
PAIR = "FeatherFace V2 vs YuNet"
Open = Callable[..., AppTest]


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch, measured_weights: Path) -> Open:
    """A function that opens a page: the models find the same faces always, other detectors run."""
    monkeypatch.setenv("FEATHERFACE_WEIGHTS", str(measured_weights))
    monkeypatch.chdir(ROOT)
    candidates, merged = ModelService.candidates, ModelService.merged_candidates

    def known(run: Callable[..., object]) -> Callable[..., object]:
        return lambda self, photo, key, *rest, **more: (
            result(key) if key in FOUND else run(self, photo, key, *rest, **more)
        )

    monkeypatch.setattr(ModelService, "candidates", known(candidates))
    monkeypatch.setattr(ModelService, "merged_candidates", known(merged))
    st.cache_resource.clear()

    def opened(name: str, **query: str) -> AppTest:
        page = AppTest.from_file(str(ROOT / "pages" / f"{name}.py"), default_timeout=60)
        page.query_params.update({"photo": "chelsea_the_cat", "conf": "0.9", **query})
        return page.run()

    return opened


@pytest.fixture
def weights_folder(measured_weights: Path) -> Path:
    """The weights folder, with a model file of each other detector."""
    (measured_weights / "yunet_2026.onnx").write_bytes(yunet_model())
    (measured_weights / "centerface.onnx").write_bytes(centerface_model())
    return measured_weights


def choices(page: AppTest) -> list[str]:
    """The pairs that a page offers to compare."""
    return [option for box in page.selectbox if box.label == "Compare" for option in box.options]


def words(page: AppTest) -> str:
    return "\n".join(block.value for block in (*page.markdown, *page.caption, *page.subheader))


def test_a_detector_from_the_folder_stands_beside_a_model(open_page: Open, weights_folder: Path) -> None:
    page = open_page("detection", detectors=PAIR)

    assert not page.exception
    assert not page.error
    assert {"FeatherFace V1 vs FeatherFace V2", "YuNet vs CenterFace"} < set(choices(page))
    assert "**YuNet**" in words(page)
    assert "Engine: OpenCV" in words(page)
    assert {"Found by both", "Only V2", "Only YuNet"} <= {metric.label for metric in page.metric}


def test_two_other_detectors_compare_without_a_model(open_page: Open, weights_folder: Path) -> None:
    page = open_page("detection", detectors="YuNet vs CenterFace", input_size="320")

    assert not page.exception
    assert not page.error
    assert {"Only YuNet", "Only CenterFace"} <= {metric.label for metric in page.metric}


def test_the_models_are_compared_until_a_visitor_chooses_others(
    open_page: Open, weights_folder: Path
) -> None:
    page = open_page("detection")

    assert {"Only V1", "Only V2"} <= {metric.label for metric in page.metric}


def test_a_choice_holds_on_the_next_page_until_another_is_made(open_page: Open, weights_folder: Path) -> None:
    def pair(page: AppTest) -> Selectbox:
        return next(box for box in page.selectbox if box.label == "Compare")

    page = open_page("live")
    page.session_state["chosen_detectors"] = PAIR  # on another page; the address does not carry it
    page.run()
    assert pair(page).value == PAIR

    pair(page).select_index(0).run()
    assert pair(page).value == "FeatherFace V1 vs FeatherFace V2"
    assert pair(page.run()).value == "FeatherFace V1 vs FeatherFace V2"
    assert not page.exception


def test_a_frame_of_a_video_is_compared_by_the_models_that_analysed_it(
    open_page: Open, weights_folder: Path
) -> None:
    page = AppTest.from_file(str(ROOT / "pages" / "detection.py"), default_timeout=60)
    page.session_state["chosen_detectors"] = PAIR  # of an earlier visit to the page
    page.query_params.update(pair_address(("v1", "v2")))
    page.run()

    assert {"Only V1", "Only V2"} <= {metric.label for metric in page.metric}


def test_an_explanation_that_needs_anchors_says_so(open_page: Open, weights_folder: Path) -> None:
    page = open_page("detection", detectors=PAIR)
    for field, value in zip(page.number_input, (100, 50, 40, 40), strict=False):
        field.set_value(value)
    page.run()

    assert not page.exception
    assert "**YuNet**: not available. The explanation reads FeatherFace's anchors" in words(page)


def test_all_photos_are_compared_with_another_detector(open_page: Open, weights_folder: Path) -> None:
    page = open_page("detection", detectors=PAIR, view="All photos", scales_fit="false")

    assert not page.exception
    assert not page.error
    (table,) = [table.value for table in page.dataframe if "Agreement" in table.value]
    assert {"V2 faces", "YuNet faces"} <= set(table.columns)


def test_the_live_view_gets_the_chosen_detector_and_its_file(
    open_page: Open, weights_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[tuple[object, ...]] = []
    monkeypatch.setattr(
        "featherface.dashboard.components.live_view.show_live_view", lambda *given: shown.append(given)
    )
    page = open_page("live", detectors=PAIR)

    assert not page.exception
    ((models, *_, files),) = shown
    assert models == ("v2", "yunet")
    assert files == {"yunet": inspect_detector(weights_folder / "yunet_2026.onnx")}


def test_the_latency_page_measures_the_chosen_pair(open_page: Open, weights_folder: Path) -> None:
    page = open_page("speed", detectors=PAIR, bench_input_size="128", runs="5", warmup="0")
    next(button for button in page.button if button.label == "Run benchmark").click().run()
    assert benchmark_queue().wait(60)
    page.run()

    assert not page.exception
    assert not page.error
    assert {"FeatherFace V2", "YuNet", "YuNet speed-up"} <= {metric.label for metric in page.metric}
    assert "FeatherFace V1" not in {metric.label for metric in page.metric}
    assert any("V2 and YuNet, network only" in box.value for box in page.selectbox if box.label == "Result")
    (detail,) = (block.help for block in page.markdown if block.help and "5 rounds" in block.help)
    assert "YuNet in OpenCV" in detail


@pytest.mark.parametrize("name", ["detection", "live", "speed"])
def test_without_model_files_there_is_nothing_to_choose(open_page: Open, name: str) -> None:
    page = open_page(name)

    assert not page.exception
    assert choices(page) == []


def test_an_uploaded_file_is_compared_at_once_and_can_be_removed(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    monkeypatch.setattr(
        "featherface.dashboard.state.own_detectors.try_model_file", lambda key, _model: tried.append(key)
    )
    page = open_page("detection", scales_fit="false")
    uploader = next(box for box in page.file_uploader if box.label == "Add YuNet or CenterFace (ONNX)")
    uploader.upload("own.onnx", yunet_model()).run()

    assert not page.exception
    assert tried == ["yunet"]
    assert {"Only V2", "Only YuNet"} <= {metric.label for metric in page.metric}

    next(button for button in page.button if button.label.startswith("Remove own")).click().run()
    assert not page.exception
    assert choices(page) == []
    assert {"Only V1", "Only V2"} <= {metric.label for metric in page.metric}


def test_an_uploaded_file_that_is_no_detector_gets_one_sentence(open_page: Open) -> None:
    page = open_page("detection")
    uploader = next(box for box in page.file_uploader if box.label == "Add YuNet or CenterFace (ONNX)")
    uploader.upload("own.onnx", b"no model").run()

    assert not page.exception
    assert any("is not an ONNX file" in message.value for message in page.error)
    assert choices(page) == []


def test_the_study_pages_do_not_name_other_detectors(open_page: Open, weights_folder: Path) -> None:
    for name in ("robustness", "architecture"):
        page = open_page(name)

        assert not page.exception
        assert choices(page) == []
        assert not any(entry.name in words(page) for entry in OTHER_DETECTORS.values())
    assert not set(OTHER_DETECTORS) & set(MODELS)
