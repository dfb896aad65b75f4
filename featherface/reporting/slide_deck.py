"""The study as six slides, with native charts that stay editable. Needs the extra `reports`."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from typing import Any

from pptx import Presentation
from pptx.chart.data import CategoryChartData
from pptx.dml.color import RGBColor
from pptx.enum.chart import XL_CHART_TYPE, XL_LABEL_POSITION, XL_LEGEND_POSITION, XL_TICK_LABEL_POSITION
from pptx.enum.text import PP_ALIGN
from pptx.oxml import parse_xml
from pptx.oxml.ns import nsdecls
from pptx.util import Emu, Inches, Pt

from featherface.models import MODELS
from featherface.reporting.axis_ticks import chart_ticks
from featherface.reporting.wording import change_text, machine_text, printed, when_text
from featherface.study.findings import Direction
from featherface.study.headlines import Headline, headlines
from featherface.study.measurements import Measurements
from featherface.study.recommendations import recommendations
from featherface.study.story import Series, Step, StepChart

__all__ = ["slide_deck"]

_WIDTH, _HEIGHT = Inches(13.333), Inches(7.5)
_LEFT, _TEXT_WIDTH = Inches(0.6), Inches(12.1)
_TITLE_HEIGHT = Inches(1.0)
_TITLE_POINTS = (28, 24, 20, 18, 16)  # font sizes, the largest that fits is used
_LETTER_WIDTH, _LINE_HEIGHT = 0.6, 1.2  # of the font size, in a wide bold font such as DejaVu Sans
_TITLE_ONLY = 5  # layout of python-pptx's own template
_INK, _SOFT = RGBColor(0x1D, 0x25, 0x28), RGBColor(0x56, 0x64, 0x6A)
_COLOURS = {
    Direction.GAIN: RGBColor(0x16, 0x65, 0x34),
    Direction.LOSS: RGBColor(0xB4, 0x23, 0x18),
    Direction.INCONCLUSIVE: RGBColor(0x1E, 0x4F, 0x8F),
}
_MONOSPACE = "Courier New"


def slide_deck(measurements: Measurements, steps: Sequence[Step]) -> bytes:
    """Return a PPTX file: the headline numbers on the first slide, then one slide per step."""
    deck = Presentation()
    deck.slide_width, deck.slide_height = _WIDTH, _HEIGHT
    title = " vs ".join(MODELS[key].name for key in measurements.models)
    deck.core_properties.title = title
    deck.core_properties.author = "FeatherFace Compare"
    _add_summary(_new_slide(deck, title), measurements)
    for step in steps:
        _add_step(_new_slide(deck, step.headline), step)
    target = io.BytesIO()
    deck.save(target)
    return target.getvalue()


def _new_slide(deck: Any, title: str) -> Any:
    slide = deck.slides.add_slide(deck.slide_layouts[_TITLE_ONLY])
    shape = slide.shapes.title
    shape.left, shape.top, shape.width, shape.height = _LEFT, Inches(0.35), _TEXT_WIDTH, _TITLE_HEIGHT
    shape.text_frame.word_wrap = True
    shape.text_frame.paragraphs[0].alignment = PP_ALIGN.LEFT
    _write(shape.text_frame.paragraphs[0], title, _title_points(title), _INK, bold=True)
    return slide


def _title_points(title: str) -> int:
    """Return the largest font size at which the title stays above what follows, or the smallest one."""
    for points in _TITLE_POINTS:
        lines = textwrap.wrap(title, int(_TEXT_WIDTH.pt / (_LETTER_WIDTH * points)))
        if len(lines) * _LINE_HEIGHT * points <= _TITLE_HEIGHT.pt:
            return points
    return _TITLE_POINTS[-1]


def _add_summary(slide: Any, measurements: Measurements) -> None:
    _add_table(slide, headlines(measurements))
    advice = recommendations(measurements)[0]
    frame = _text_box(slide, Inches(5.35), Inches(1.5))
    _write(frame.paragraphs[0], f"{advice.scenario}: {advice.support}. {advice.text}", 16, _INK)
    if advice.numbers:
        _write(frame.add_paragraph(), f"{advice.badge}: {'; '.join(advice.numbers)}", 12, _SOFT)
    note = f"Counted and measured on {when_text(measurements.when)}, on {machine_text(measurements.machine)}."
    _write(_text_box(slide, Inches(6.85), Inches(0.4)).paragraphs[0], note, 11, _SOFT)


def _add_table(slide: Any, rows: Sequence[Headline]) -> None:
    names = [MODELS[key].short_name for key in rows[0].values]
    header = ("", *names, "Change", "Badge", "Certainty", "Recompute with")
    frame = slide.shapes.add_table(len(rows) + 1, len(header), _LEFT, Inches(1.5), _TEXT_WIDTH, Inches(3.4))
    shares = (1.9, *(2.6 / len(names) for _ in names), 1.1, 1.1, 2.3, 3.1)
    for column, share in zip(frame.table.columns, shares, strict=True):
        column.width = Inches(share)
    for number, row in enumerate((header, *map(_cells, rows))):
        for place, text in enumerate(row):
            paragraph = frame.table.cell(number, place).text_frame.paragraphs[0]
            colour = RGBColor(0xFF, 0xFF, 0xFF) if number == 0 else _INK
            command = number > 0 and place == len(row) - 1
            _write(paragraph, text, 10 if command else 12, colour, bold=number == 0)
            if command:
                paragraph.runs[0].font.name = _MONOSPACE


def _cells(row: Headline) -> tuple[str, ...]:
    known = next((value for value in row.values.values() if value is not None), None)
    return (
        row.name,
        *("not measured" if value is None else printed(value) for value in row.values.values()),
        change_text(row) or "",
        known.badge.value if known else "",
        (row.certainty or "No confidence interval") if known else "",
        row.command,
    )


def _add_step(slide: Any, step: Step) -> None:
    frame = _text_box(slide, Inches(1.35), Inches(0.9))
    badge = (f"{step.direction}, {step.badge}" if step.chart else str(step.direction)).capitalize()
    _write(frame.paragraphs[0], badge, 14, _COLOURS.get(step.direction, _SOFT), bold=True)
    if step.certainty:
        _write(frame.add_paragraph(), step.certainty, 12, _SOFT)
    if step.chart is not None:
        _add_chart(slide, step.topic, step.chart)
    command = _text_box(slide, Inches(6.9), Inches(0.4)).paragraphs[0]
    _write(command, f"Recompute with {step.command}", 11, _SOFT)
    command.runs[0].font.name = _MONOSPACE


def _add_chart(slide: Any, topic: str, chart: StepChart) -> None:
    data = CategoryChartData(number_format=f"0.{'0' * chart.decimals}" if chart.decimals else "0")
    data.categories = chart.categories
    for series in chart.series:
        data.add_series(series.name, series.values)
    frame = slide.shapes.add_chart(
        XL_CHART_TYPE.COLUMN_CLUSTERED, _LEFT, Inches(2.35), _TEXT_WIDTH, Inches(4.5), data
    )
    frame.name = f"Chart: {topic}"
    frame.element.nvGraphicFramePr.cNvPr.set("descr", chart.description)
    drawn = frame.chart
    drawn.font.size = Pt(12)
    drawn.has_title = False
    drawn.has_legend = len(chart.series) > 1
    if drawn.has_legend:
        drawn.legend.position, drawn.legend.include_in_layout = XL_LEGEND_POSITION.BOTTOM, False
    ticks = chart_ticks(chart)
    drawn.value_axis.minimum_scale, drawn.value_axis.maximum_scale = ticks[0], ticks[-1]
    drawn.value_axis.major_unit = ticks[1] - ticks[0]
    drawn.value_axis.has_title = True
    drawn.value_axis.axis_title.text_frame.text = chart.unit
    for paragraph in drawn.value_axis.axis_title.text_frame.paragraphs:
        paragraph.font.size, paragraph.font.bold = Pt(11), False
    drawn.value_axis.major_gridlines.format.line.color.rgb = RGBColor(0xD9, 0xDC, 0xD8)
    drawn.category_axis.tick_label_position = XL_TICK_LABEL_POSITION.LOW
    plot = drawn.plots[0]
    plot.gap_width, plot.has_data_labels = 60, True
    plot.data_labels.position = XL_LABEL_POSITION.INSIDE_BASE
    elements = drawn.element.xpath(".//c:ser")
    for bars, element, series in zip(plot.series, elements, chart.series, strict=True):
        _colour_bars(bars, series, chart)
        _add_error_bars(element, series)


def _colour_bars(bars: Any, series: Series, chart: StepChart) -> None:
    """Give the bars their colour; those that the headline is not about are grey."""
    bars.invert_if_negative = False
    bars.format.fill.solid()
    bars.format.fill.fore_color.rgb = RGBColor.from_string(series.colour[1:].upper())
    for place, category in enumerate(chart.categories):
        if chart.marked not in ("", category):
            fill = bars.points[place].format.fill
            fill.solid()
            fill.fore_color.rgb = RGBColor(0xB8, 0xC2, 0xC6)


def _add_error_bars(bars: Any, series: Series) -> None:
    """Add error bars, which python-pptx cannot; the schema wants them before the categories."""
    if not any(series.intervals):
        return
    pairs = list(zip(series.values, series.intervals, strict=True))
    plus = [interval[1] - value if interval else 0.0 for value, interval in pairs]
    minus = [value - interval[0] if interval else 0.0 for value, interval in pairs]
    element = parse_xml(
        f"<c:errBars {nsdecls('c', 'a')}><c:errBarType val='both'/><c:errValType val='cust'/>"
        f"<c:noEndCap val='0'/>{_literal('plus', plus)}{_literal('minus', minus)}"
        "<c:spPr><a:ln w='12700'><a:solidFill><a:srgbClr val='56646A'/></a:solidFill></a:ln></c:spPr>"
        "</c:errBars>"
    )
    bars.xpath("c:cat")[0].addprevious(element)


def _literal(name: str, values: Sequence[float]) -> str:
    points = "".join(
        f"<c:pt idx='{place}'><c:v>{value:.6f}</c:v></c:pt>" for place, value in enumerate(values)
    )
    return f"<c:{name}><c:numLit><c:ptCount val='{len(values)}'/>{points}</c:numLit></c:{name}>"


def _text_box(slide: Any, top: Emu, height: Emu) -> Any:
    frame = slide.shapes.add_textbox(_LEFT, top, _TEXT_WIDTH, height).text_frame
    frame.word_wrap = True
    return frame


def _write(paragraph: Any, text: str, points: float, colour: RGBColor, *, bold: bool = False) -> None:
    run = paragraph.add_run()
    run.text = text
    run.font.size, run.font.bold = Pt(points), bold
    run.font.color.rgb = colour
