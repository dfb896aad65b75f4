"""The hint that a larger input finds more faces: when it appears, and what it costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType

import pytest
from streamlit.testing.v1 import AppTest

from featherface.detection.preprocess import Resize
from featherface.detection.settings import DetectionSettings
from featherface.serving.model_service import ModelService
from tests.pages.conftest import ROOT, faces, result

MORE = {"v1": faces(*((40 * n, 0.9) for n in range(7))), "v2": faces((10, 0.9))}


@pytest.fixture
def open_large(open_page: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """The page with a photo of 1600 x 853 pixels, in which V1 finds 7 faces at original size, else 3."""

    def opened(milliseconds: float = 20.0, **query: str) -> AppTest:
        ran = []

        def candidates(_self, _photo, key: str, given: DetectionSettings, **_: object) -> object:
            size = round(853 * given.input_size / 1600), given.input_size
            spent = MappingProxyType({"network": milliseconds})
            found = replace(result(key), milliseconds=spent, input_size=size)
            if given.resize is Resize.ORIGINAL:
                ran.append(key)
                return replace(found, detections=MORE[key])
            return found

        open_page()
        monkeypatch.setattr(ModelService, "merged_candidates", candidates)
        page = AppTest.from_file(str(ROOT / "pages" / "detection.py"), default_timeout=60)
        page.query_params.update({"photo": "size_ladder", **query})
        page.session_state["ran"] = ran
        return page.run()

    return opened


def hints(page: AppTest) -> list[str]:
    return [info.value for info in page.info if "larger input" in info.value]


@pytest.mark.parametrize(
    "query",
    [
        pytest.param({"resize": "Stretch, as in the study"}, id="as in the study"),
        pytest.param({"scales_fit": "false"}, id="one size"),
    ],
)
def test_the_hint_counts_what_a_larger_input_finds(open_large, query) -> None:
    page = open_large(**query)
    assert not page.exception
    (hint,) = hints(page)
    assert hint.startswith("A larger input finds more faces: 4 more with V1.")
    page.slider(key="conf").set_value(0.92).run()
    assert not hints(page)  # no face of either run scores so high
    assert page.session_state["ran"] == ["v1", "v2"]  # a slider runs nothing again


@pytest.mark.parametrize(
    "query",
    [
        pytest.param({}, id="several sizes"),
        pytest.param({"resize": "Original size"}, id="original size"),
        pytest.param({"scales_fit": "false", "input_size": "1600"}, id="the photo's own size"),
    ],
)
def test_no_hint_where_the_models_see_every_pixel(open_large, query) -> None:
    assert not hints(open_large(**query))


def test_a_slow_check_waits_for_a_button(open_large) -> None:
    page = open_large(milliseconds=500.0, scales_fit="false")
    assert not hints(page)
    assert page.session_state["ran"] == []
    button = page.button(key="larger_input")
    assert button.label == "Check a larger input (about 6 s)"
    button.click().run()
    assert hints(page)
    page.slider(key="nms").set_value(0.5).run()
    assert hints(page)
    assert page.session_state["ran"] == ["v1", "v2"]
