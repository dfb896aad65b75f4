"""The report: complete, offline, and made without Streamlit."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import plotly.graph_objects as go
import pytest

from featherface.models import MODELS
from featherface.profiling.complexity import cost
from featherface.profiling.quantisation import QuantisedSize
from featherface.reporting import html_report as module
from featherface.reporting.html_report import AnnotatedPhoto, ReportChart, ReportError, html_report
from featherface.study.measurements import Measurements, ModelMeasurements
from tests.third_model import register_third_model

CHART = ReportChart("A <chart>", go.Figure(layout={"height": 200}), "where from")
PHOTO = AnnotatedPhoto("<img src=x>", "two people", {"v1": b"jpeg"}, {"v1": 2}, None)


def counted(machine) -> Measurements:
    size = QuantisedSize(1, 1, 1, 1)
    models = {key: ModelMeasurements(cost(key, 64), 1_000_000, size, "seeded") for key in MODELS}
    return Measurements("2026-01-02T03:04:05+00:00", machine, models)


class Addresses(HTMLParser):
    """Everything that a browser would fetch on opening the file."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, _: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attributes if name in ("src", "href")]


def test_the_report_has_every_section_and_fetches_nothing(machine):
    document = html_report(counted(machine), [CHART], [PHOTO])
    headings = re.findall("<h2>(.*?)</h2>", document)
    assert headings == [
        "Key findings",
        "Headline numbers",
        "Radar chart",
        "A &lt;chart&gt;",
        "Recommendations",
        "Claims audit",
        "Photos",
    ]
    assert '<span class="badge counted">counted</span> <small>stored weights' in document
    addresses = Addresses()
    addresses.feed(re.sub("<script.*?</script>", "", document, flags=re.DOTALL))
    assert addresses.found == ["data:image/jpeg;base64,anBlZw=="]
    assert "&lt;img src=x&gt;, two people: FeatherFace V1 found 2 faces" in document


def test_a_third_model_has_its_columns(machine, monkeypatch):
    third = register_third_model(monkeypatch)
    document = html_report(counted(machine), [])
    assert f"<th>{third.name}</th>" in document
    assert f"<th>{third.short_name}</th>" in document


def test_no_memory_is_one_sentence(machine, monkeypatch):
    def plotly() -> str:
        raise MemoryError

    monkeypatch.setattr(module, "get_plotlyjs", plotly)
    with pytest.raises(ReportError, match="not enough memory to create the report"):
        html_report(counted(machine), [])
