"""The Live page without a browser: it opens, hands out a token, and keeps its settings in the address."""

from __future__ import annotations

from pathlib import Path

from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).resolve().parents[2]


def opened(**query: str) -> AppTest:
    page = AppTest.from_file(str(ROOT / "pages" / "live.py"), default_timeout=60)
    for name, value in query.items():
        page.query_params[name] = value
    return page.run()


def test_opens_with_the_defaults() -> None:
    page = opened()
    assert not page.exception
    assert page.title[0].value == "Compare on live video"
    assert {slider.label: slider.value for slider in page.slider} == {
        "Confidence": 0.5,
        "NMS IoU": 0.4,
        "Input size: longer side (px)": 640,
    }
    assert len(page.session_state["live_token"]) >= 32


def test_a_link_restores_the_settings_and_never_the_token() -> None:
    page = opened(live_conf="0.7", live_input_size="320")
    assert {slider.label: slider.value for slider in page.slider}["Confidence"] == 0.7
    assert page.session_state["live_token"] not in str(page.query_params)
    assert opened().session_state["live_token"] != page.session_state["live_token"]
