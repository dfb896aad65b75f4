"""The report as PDF and as slides: complete, offline, with badges, commands and charts that stay editable."""

from __future__ import annotations

import io
import re
import sys
import zipfile
from dataclasses import replace

import pptx
import pypdfium2
import pytest
from PIL import Image

from featherface.models import MODELS
from featherface.profiling.complexity import cost
from featherface.profiling.quantisation import QuantisedSize
from featherface.reporting.axis_ticks import round_ticks
from featherface.reporting.html_report import AnnotatedPhoto, ReportError, html_report
from featherface.reporting.report_files import pdf_file, slides_file
from featherface.study.findings import Direction
from featherface.study.measurements import Measurements, ModelMeasurements
from featherface.study.provenance import Badge
from featherface.study.story import Series, Step, StepChart

CHART = StepChart(
    "Difference; error bars: 95% interval",
    ("small", "large"),
    (Series("V2 minus V1", "#0d9488", (-0.05, 0.02), ((-0.08, -0.02), None)),),
    3,
    "large",
)
MEASURED = Step(
    "Portraits", Direction.LOSS, "Worse <on> portraits", "95% & more", Badge.MEASURED, "featherface x", CHART
)
OPEN = Step(
    "Blur", Direction.OPEN, "Blur has not been measured", "", Badge.MEASURED, "featherface stress", None
)


@pytest.fixture(scope="module")
def counted() -> Measurements:
    from tests.reporting.conftest import MACHINE, WHEN

    size = QuantisedSize(1, 1, 1, 1)
    models = {key: ModelMeasurements(cost(key, 64), 1_000_000, size, "seeded") for key in MODELS}
    return Measurements(WHEN, MACHINE, models)


def photo() -> AnnotatedPhoto:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(file, "JPEG")
    return AnnotatedPhoto(
        "<me>.jpg", "two people", dict.fromkeys(MODELS, file.getvalue()), dict.fromkeys(MODELS, 2), 2
    )


def pdf_pages(data: bytes) -> list[tuple[str, tuple[int, int], int]]:
    """Text, size in points and number of colours of each page."""
    with pypdfium2.PdfDocument(data) as document:
        found = []
        for page in document:
            text, bitmap = page.get_textpage(), page.render(scale=0.5)
            colours = bitmap.to_pil().convert("RGB").getcolors(2**24)
            found.append((text.get_text_bounded(), tuple(map(round, page.get_size())), len(colours)))
            for part in (text, bitmap, page):
                part.close()
        return found


def test_the_pdf_has_every_section_on_a4_pages_without_a_blank_one(counted):
    pages = pdf_pages(pdf_file(counted, [MEASURED, OPEN], [photo()]))
    text = " ".join(" ".join(page[0] for page in pages).split())
    for expected in (
        "Key findings", "Headline numbers", "Five steps", "Recommendations", "Claims audit", "Photos",
        "Worse <on> portraits", "loss, measured. 95% & more", "Recompute with featherface x", "-0.050",
        "not measured yet. Recompute with featherface stress", "<me>.jpg", "featherface flops --size 640",
    ):  # fmt: skip
        assert expected in text
    assert {page[1] for page in pages} == {(595, 842)}
    assert all(len(page[0]) > 50 and page[2] > 10 for page in pages)


def test_the_pdf_fetches_nothing_and_brings_its_fonts(counted):
    data = pdf_file(counted, [MEASURED])
    assert b"FontFile2" in data
    assert not re.search(rb"/URI|/Launch|/JavaScript", data)


def test_six_slides_have_titles_badges_commands_and_native_charts(counted):
    deck = pptx.Presentation(io.BytesIO(slides_file(counted, [MEASURED] * 4 + [OPEN])))
    slides = list(deck.slides)
    assert len(slides) == 6
    table = next(shape.table for shape in slides[0].shapes if shape.has_table)
    cells = [[cell.text for cell in row.cells] for row in table.rows]
    assert cells[0] == ["", "V1", "V2", "Change", "Badge", "Certainty", "Recompute with"]
    assert cells[1] == ["Parameters", "592k", "256k", "-56.8%", "counted", "Exact", "featherface params"]
    assert cells[3][1:3] == ["not measured", "not measured"]
    assert [slide.shapes.title.text for slide in slides[1:]] == ["Worse <on> portraits"] * 4 + [OPEN.headline]
    words = " ".join(shape.text_frame.text for shape in slides[1].shapes if shape.has_text_frame)
    assert "Loss, measured" in words
    assert "Recompute with featherface x" in words
    (chart,) = (shape for shape in slides[1].shapes if shape.has_chart)
    assert chart.element.nvGraphicFramePr.cNvPr.get("descr").startswith("Difference; error bars")
    assert list(chart.chart.plots[0].series[0].values) == [-0.05, 0.02]
    assert not any(shape.has_chart for shape in slides[5].shapes)


@pytest.mark.parametrize(
    ("headline", "points"),
    [
        pytest.param("Worse on portraits", 28, id="one line"),
        pytest.param(
            "V2 has fewer parameters and needs fewer multiply-accumulates at 640 × 640", 28, id="two"
        ),
        pytest.param(
            "Defocus blur: FeatherFace V2 breaks first: it loses more than half of the average precision at "
            "severity 4; FeatherFace V1 does at severity 5",
            20,
            id="would take three lines, which run into the text below",
        ),
    ],
)
def test_a_long_title_gets_a_smaller_font(counted, headline, points):
    step = replace(MEASURED, headline=headline)
    slide = pptx.Presentation(io.BytesIO(slides_file(counted, [step]))).slides[1]
    (run,) = slide.shapes.title.text_frame.paragraphs[0].runs
    assert run.font.size.pt == points


def test_error_bars_stand_where_the_schema_wants_them_and_within_the_axis(counted):
    deck = pptx.Presentation(io.BytesIO(slides_file(counted, [MEASURED])))
    chart = next(shape.chart for shape in deck.slides[1].shapes if shape.has_chart)
    bars = chart.element.xpath(".//c:ser")[0]
    tags = [child.tag.rpartition("}")[2] for child in bars]
    assert tags.index("errBars") == tags.index("cat") - 1
    assert bars.xpath(".//c:plus//c:v/text()") == ["0.030000", "0.000000"]
    assert bars.xpath(".//c:minus//c:v/text()") == ["0.030000", "0.000000"]
    assert chart.value_axis.minimum_scale <= -0.08
    assert chart.value_axis.maximum_scale >= 0.02


def test_the_slides_fetch_nothing(counted):
    with zipfile.ZipFile(io.BytesIO(slides_file(counted, [MEASURED]))) as archive:
        relations = [archive.read(name).decode() for name in archive.namelist() if name.endswith(".rels")]
    assert not any('TargetMode="External"' in text for text in relations)


@pytest.mark.parametrize(("module", "make"), [("pdf_report", pdf_file), ("slide_deck", slides_file)])
def test_without_the_extra_one_sentence_says_how_to_install_it(counted, monkeypatch, module, make):
    monkeypatch.setitem(sys.modules, f"featherface.reporting.{module}", None)
    with pytest.raises(
        ReportError, match=r"needs? the extra 'reports'; install it with: .venv/bin/python -m pip install"
    ):
        make(counted, [])


def test_the_html_report_has_the_steps_with_their_commands(counted):
    document = html_report(counted, [], steps=[MEASURED, OPEN])
    assert "<h3>Worse &lt;on&gt; portraits</h3>" in document
    assert "featherface stress</code>" in document
    assert document.count('class="plotly-graph-div"') == 1


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        pytest.param([0, 100], [0, 20, 40, 60, 80, 100], id="percent"),
        pytest.param([-0.11, 0], [-0.125, -0.1, -0.075, -0.05, -0.025, 0], id="differences"),
        pytest.param([0], [0, 0.2, 0.4, 0.6, 0.8, 1.0][:2], id="nothing but zero"),
    ],
)
def test_ticks_are_round_and_span_the_values(values, ticks):
    assert round_ticks(values) == pytest.approx(ticks)
