"""The architecture page over the real networks at small inputs: shapes flow, no values do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from featherface.profiling.receptive_field import ReceptiveField

ROOT = Path(__file__).resolve().parents[2]
FIELDS = (
    ReceptiveField("P3", 8, 43, 900, False, (16, 32)),
    ReceptiveField("P4", 16, 219, 1000, False, (64, 128)),
    ReceptiveField("P5", 32, 315, 1300, True, (256, 512)),
)
Open = Callable[..., AppTest]


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch) -> Open:
    """A function that opens the page with query parameters."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("featherface.profiling.receptive_field.receptive_fields", lambda _: FIELDS)

    def opened(**query: str) -> AppTest:
        page = AppTest.from_file(str(ROOT / "pages" / "architecture.py"), default_timeout=120)
        for name, value in query.items():
            page.query_params[name] = value
        return page.run()

    return opened


def traces(page: AppTest, number: int) -> list[dict]:
    return json.loads(page.get("plotly_chart")[number].proto.spec)["data"]


def test_parameters_of_both_models_are_shown_group_by_group(open_page):
    page = open_page()

    assert not page.exception
    assert [card.value for card in page.metric] == ["592,371 parameters", "256,156 parameters", "56.8%"]
    table = page.dataframe[0].value.set_index("Group")
    assert table.loc["SSH", "V1 parameters"] == 246_885
    assert table.loc["SSH", "V2 parameters"] == 7_248
    root = traces(page, 1)[0]["labels"][0]
    assert root == "FeatherFace V1"


def test_a_link_leads_to_the_layers_that_differ(open_page):
    query = {
        "architecture": "Layers",
        "width": "96",
        "height": "64",
        "layer": "head: boxes",
        "differing": "true",
    }
    page = open_page(**query)

    assert not page.exception
    table = page.dataframe[0].value
    assert list(table["Level"]) == ["P3", "P4", "P5"]
    assert list(table["V1 output"]) == ["1 × 8 × 8 × 12", "1 × 8 × 4 × 6", "1 × 8 × 2 × 3"]


def test_what_both_share_is_left_out_on_request(open_page):
    page = open_page(architecture="Layers", width="64", height="64")
    everything = page.dataframe[0].value
    page.toggle(key="differing").set_value(True).run()

    differing = page.dataframe[0].value
    assert "Backbone" in set(everything["Group"])
    assert "Backbone" not in set(differing["Group"])


def test_the_diagram_has_a_box_for_each_part_and_the_shapes_follow_the_input(open_page):
    page = open_page(architecture="Diagram", width="96", height="64")

    assert not page.exception
    words = [text for trace in traces(page, 1) for text in trace.get("text") or []]
    assert sum(text.startswith("<b>SSH</b>") for text in words) == 3
    shapes = page.dataframe[0].value
    assert list(shapes["Cells"]) == ["12 × 8", "6 × 4", "3 × 2"]
    assert list(shapes["Anchors"]) == [192, 48, 12]
    assert list(shapes["V2 channels"]) == [32, 32, 32]


def test_the_cell_and_its_squares_follow_the_link(open_page):
    page = open_page(
        architecture="Anchors and receptive fields", level="P5", across="0", down="100", fields="Anchors"
    )

    assert not page.exception
    drawn = [trace for trace in traces(page, 0) if trace.get("name")]
    assert [trace["name"] for trace in drawn] == ["Small anchor: 256 px", "Large anchor: 512 px"]
    assert drawn[0]["x"][:2] == [16 - 128, 16 + 128]  # the leftmost cell, half a stride in
