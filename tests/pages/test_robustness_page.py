"""The Robustness page over a service that loses faces as photos get worse, without a browser."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from featherface.detection.detections import Detections
from featherface.detection.images import Photo
from featherface.models import MODELS
from featherface.robustness.attribute_slices import Slice
from featherface.robustness.corruptions import CORRUPTIONS
from featherface.robustness.labelled_stress import MEAN, Condition, Estimate, Robustness
from featherface.robustness.robustness_results import SavedSlices, SavedStress, save_slices, save_stress
from featherface.serving.model_service import DetectionResult, ModelService
from featherface.serving.network_queue import ServiceBusyError
from featherface.study.results import shipped_checksums
from tests.pages.conftest import ROOT, faces, result
from tests.third_model import register_third_model

CLEAN, JPEG = Condition("clean", 0), Condition("jpeg", 1)
ROW = faces((10, 0.95), (100, 0.9), (200, 0.8), (300, 0.7))
NAME = CORRUPTIONS["jpeg"].name  # as in a link
Open = Callable[..., AppTest]


@pytest.fixture
def passes() -> list[tuple[str, str]]:
    """Model and photo of each pass of a network."""
    return []


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch, measured_weights: Path, passes: list[tuple[str, str]]) -> Open:
    """A function that opens the page; the first model loses one face per severity, the second every other.

    found: by model, what it finds in any photo instead.
    """
    monkeypatch.setenv("FEATHERFACE_WEIGHTS", str(measured_weights))
    monkeypatch.chdir(ROOT)

    def opened(found: dict[str, Detections | Exception] | None = None, **query: str) -> AppTest:
        def candidates(
            _self: ModelService, photo: Photo, key: str, *_: object, **__: object
        ) -> DetectionResult:
            passes.append((key, photo.digest))
            given = (found or {}).get(key)
            if isinstance(given, Exception):
                raise given
            times = sum(1 for model, _ in passes if model == key) - 1
            left = len(ROW) - (times if key == "v1" else times // 2)
            faces_left = ROW[: max(0, left)] if given is None else given
            return replace(result("v1"), detections=faces_left)

        monkeypatch.setattr(ModelService, "candidates", candidates)
        st.cache_resource.clear()
        page = AppTest.from_file(str(ROOT / "pages" / "robustness.py"), default_timeout=120)
        page.query_params.update(query)
        return page.run()

    return opened


def texts(page: AppTest) -> str:
    return "\n".join(block.value for block in (*page.markdown, *page.caption, *page.info, *page.error))


def test_the_verdict_counts_and_formula(open_page: Open, passes: list[tuple[str, str]]) -> None:
    page = open_page(corruption=NAME)
    assert not page.exception
    assert page.title[0].value == "Robustness"
    assert "JPEG of quality" in texts(page)
    # 4, 3, 2, 1 faces: below one half at severity 3; the other has 4, 4, 3, 3, 2, 2
    assert (
        "FeatherFace V1 breaks first: it loses more than half of the faces at severity 3; "
        "FeatherFace V2 does not, up to severity 5." in texts(page)
    )
    assert [card.value for card in page.metric] == ["1 of 4", "3 of 4"]
    assert page.subheader[0].value == "JPEG compression, severity 3"
    assert len(passes) == 12
    assert len(set(passes)) == 12  # six different photos per model


@pytest.mark.parametrize(
    ("name", "has_x", "has_lengths"),
    [("Gaussian noise", True, False), ("Defocus blur", False, True), ("Low resolution", False, False)],
)
def test_only_symbols_in_the_formula_are_explained(
    open_page: Open, name: str, has_x: bool, has_lengths: bool
) -> None:
    page = open_page(corruption=name)
    (formula,) = (line.value for line in page.caption if line.value.startswith("Formula"))
    assert ("x is the clean photo" in formula, "Lengths are" in formula) == (has_x, has_lengths)


def test_a_severity_is_shown_without_another_pass(open_page: Open, passes: list[tuple[str, str]]) -> None:
    page = open_page(corruption=NAME)
    page.select_slider(key="severity").set_value(0).run()
    assert not page.exception
    assert page.subheader[0].value == "Clean photo"
    assert [card.value for card in page.metric] == ["4 of 4", "4 of 4"]
    assert len(passes) == 12


@pytest.mark.parametrize(
    "corruption", ["eyes", "rotation"], ids=["needs landmarks", "changes the size of the photo"]
)
def test_a_corruption_opens_by_its_link(open_page: Open, corruption: str) -> None:
    page = open_page({"v1": ROW, "v2": ROW}, corruption=CORRUPTIONS[corruption].name, stress_input_size="128")
    assert not page.exception
    assert page.selectbox(key="corruption").value == corruption


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        pytest.param(
            {"v2": ROW[:0]}, "No face in the clean photo was found by both models", id="no agreed face"
        ),
        pytest.param({"v2": ServiceBusyError(7)}, "queue position 7", id="busy"),
        pytest.param({"v1": ROW, "v2": ROW}, "Neither model loses more than half", id="nothing lost"),
    ],
)
def test_what_happened_is_one_sentence(
    open_page: Open, found: dict[str, Detections | Exception], sentence: str
) -> None:
    page = open_page(found)
    assert not page.exception
    assert sentence in texts(page)


def test_a_model_without_weights_is_one_sentence(open_page: Open, measured_weights: Path) -> None:
    (measured_weights / MODELS["v2"].weights).unlink()
    page = open_page()
    assert not page.exception
    assert "which is missing" in texts(page)


def test_a_third_model_can_be_one_of_the_two(
    monkeypatch: pytest.MonkeyPatch, open_page: Open, measured_weights: Path
) -> None:
    third = register_third_model(monkeypatch, measured_weights)
    page = open_page({third.key: ROW[:1]}, pair=f"{MODELS['v1'].name} vs {third.name}", corruption=NAME)
    assert not page.exception
    assert f"{third.name} " in texts(page)
    assert [card.label.split(":")[0] for card in page.metric] == [MODELS["v1"].name, third.name]
    assert np.isin(["1 of 1"], [card.value for card in page.metric]).all()


def test_without_results_the_page_says_so_and_names_the_commands(open_page: Open) -> None:
    page = open_page({"v1": ROW, "v2": ROW})
    assert texts(page).count("No result for the current weights yet") == 2
    assert "performance by skin tone, age or gender" in texts(page)
    assert [block.value.split()[3] for block in page.code] == ["stress", "evaluate", "evaluate"]


def test_results_of_the_current_weights_are_shown(open_page: Open, measured_weights: Path) -> None:
    checksums = shipped_checksums(measured_weights)
    half, rows = Estimate(0.5, (0.4, 0.6)), []
    for model, checksum in {**checksums, "v2": "of other weights"}.items():
        scores = {key: {MEAN: 0.25} for key in (CLEAN, JPEG)}
        measures = ({MEAN: half}, {MEAN: half}, {MEAN: half})
        robustness = Robustness("WIDER FACE", 20, ("jpeg",), (1,), *measures, scores, ())
        about = (model, checksum, "Made up", "original", 640, "2026-01-02T03:04:05+00:00", False)
        rows.append(SavedStress(*about, robustness))
        rows.append(replace(rows[-1], image_set="Another made up"))
    slices = (
        Slice("blur", "clear", "16-32 px", 40, 20, half, half),
        Slice("blur", "heavy blur", "16-32 px", 0, 0, None, None, "No face counts in this subset."),
        Slice("invalid", "invalid", "16-32 px", 40, 20, half, half),
    )
    for folder in ("robustness", "attributes"):
        (measured_weights / "evaluation" / folder).mkdir()
    save_stress(measured_weights / "evaluation" / "robustness" / "made_up.json", rows)
    (measured_weights / "evaluation" / "robustness" / "damaged.json").write_text("{")
    save_slices(
        measured_weights / "evaluation" / "attributes" / "made_up.json",
        [
            SavedSlices(key, checksum, "Made up", 20, 0.5, "2026-01-02T03:04:05+00:00", True, slices)
            for key, checksum in checksums.items()
        ],
    )
    page = open_page({"v1": ROW, "v2": ROW})
    assert not page.exception
    assert "No result for the current weights yet" not in texts(page)
    assert page.table[0].value["Model"].tolist() == ["FeatherFace V1"]
    assert page.table[0].value["mPC"].tolist() == ["0.500 (0.400–0.600)"]
    captions = [caption.value for caption in page.caption]
    covered = f"mPC covers 1 of {len(CORRUPTIONS)} corruptions (jpeg compression), severities 1."
    assert any(covered in caption for caption in captions), captions
    titles = [heading.value for heading in page.subheader]
    assert titles.count("JPEG compression, 20 images") == 2
    table = page.dataframe[-1].value
    assert table["V2 AP"].tolist() == ["0.500 (0.400–0.600)", "No face counts in this subset."]
    assert "the checkpoints were also selected on these images" in texts(page)
    assert "WIDER FACE's own flag" not in texts(page)
    page.get_by_key("attribute").set_value("invalid").run()
    assert "WIDER FACE's own flag" in texts(page)


def test_results_are_those_of_the_weights_that_the_service_runs(
    open_page: Open, measured_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on the other pages, and read once."""
    half, reads = Estimate(0.5, (0.4, 0.6)), []
    robustness = Robustness(
        "WIDER FACE", 20, ("jpeg",), (1,), *({MEAN: half},) * 3, {CLEAN: {MEAN: 0.25}}, ()
    )
    about = ("Made up", "original", 640, "2026-01-02T03:04:05+00:00", False)
    (measured_weights / "evaluation" / "robustness").mkdir()
    checksums = shipped_checksums(measured_weights)
    rows = [SavedStress(key, checksum, *about, robustness) for key, checksum in checksums.items()]
    save_stress(measured_weights / "evaluation" / "robustness" / "made_up.json", rows)

    def read(folder: Path, in_use: Mapping[str, str]) -> list[SavedStress]:
        reads.append(dict(in_use))
        return [row for row in rows if in_use.get(row.model) == row.weights_sha256]

    monkeypatch.setattr("featherface.dashboard.state.study_measurements.shipped_stress", read)
    statuses = ModelService.models
    monkeypatch.setattr(ModelService, "models", lambda self: statuses(self)[:1])  # V2 cannot be loaded
    page = open_page({"v1": ROW, "v2": ROW}).run()
    assert not page.exception
    assert page.table[0].value["Model"].tolist() == ["FeatherFace V1"]
    assert reads == [{"v1": checksums["v1"]}]
