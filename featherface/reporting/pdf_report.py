"""The study's report as PDF, with vector charts and embedded fonts. Needs the extra `reports`."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from reportlab.graphics.shapes import Drawing, Line, Rect, String
from reportlab.lib.colors import Color, HexColor, toColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import registerFont, registerFontFamily, stringWidth
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import (
    CondPageBreak,
    Image,
    KeepTogether,
    LongTable,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
)

from featherface.models import MODELS
from featherface.reporting.axis_ticks import chart_ticks
from featherface.reporting.html_report import AnnotatedPhoto
from featherface.reporting.wording import change_text, faces_text, machine_text, printed, when_text
from featherface.study.claims import AuditRow, Verdict, audit
from featherface.study.findings import Direction, findings
from featherface.study.headlines import Headline, headlines
from featherface.study.measurements import Measurements
from featherface.study.provenance import Badge
from featherface.study.recommendations import Recommendation, recommendations
from featherface.study.recomputation import CLAIM_COMMANDS
from featherface.study.story import Step, StepChart

__all__ = ["pdf_report"]

_INK, _SOFT, _LINE = HexColor("#1d2528"), HexColor("#56646a"), HexColor("#d9dcd8")
_GREEN, _AMBER, _RED, _BLUE = "#166534", "#9a4a06", "#b42318", "#1e4f8f"
_COLOURS: dict[str, str] = {
    Direction.GAIN: _GREEN,
    Direction.LOSS: _RED,
    Direction.INCONCLUSIVE: _BLUE,
    Verdict.HOLDS: _GREEN,
    Verdict.OFF: _AMBER,
    Verdict.WRONG: _RED,
    Verdict.INCONCLUSIVE: _BLUE,
    Badge.MEASURED: _GREEN,
    Badge.COUNTED: _GREEN,
    Badge.TARGET: _AMBER,
    Badge.PUBLISHED: _BLUE,
    Badge.DEFINITION: _BLUE,
}
_MARGIN = 14 * mm
_WIDTH = A4[0] - 2 * _MARGIN
_ROOM = 45 * mm  # that a section's heading needs below it
_CHART = (_WIDTH, 160)  # points
_PLOT = (46, 28, 8, 8)  # points left, below, right and above the plot
_PALE = 0.35  # opacity of bars that the headline is not about

registerFont(TTFont("Vera", "Vera.ttf"))  # in reportlab's own folder of fonts
registerFont(TTFont("Vera-Bold", "VeraBd.ttf"))
registerFontFamily("Vera", normal="Vera", bold="Vera-Bold", italic="Vera", boldItalic="Vera-Bold")
_TEXT = ParagraphStyle("text", fontName="Vera", fontSize=8, leading=11, textColor=_INK)
_CELL = ParagraphStyle("cell", _TEXT, fontSize=7, leading=9.5)
_NOTE = ParagraphStyle("note", _TEXT, fontSize=7, leading=9.5, textColor=_SOFT)
_TITLE = ParagraphStyle("title", _TEXT, fontName="Vera-Bold", fontSize=17, leading=22)
_HEADING = ParagraphStyle(
    "heading",
    _TEXT,
    fontName="Vera-Bold",
    fontSize=12,
    leading=16,
    spaceBefore=12,
    spaceAfter=4,
)
_HEADLINE = ParagraphStyle("headline", _TEXT, fontName="Vera-Bold", fontSize=9.5, leading=13, spaceBefore=8)


def pdf_report(
    measurements: Measurements, steps: Sequence[Step], photos: Sequence[AnnotatedPhoto] = ()
) -> bytes:
    """Return the report as a PDF file of A4 pages: findings, numbers, steps, advice, claims and photos."""
    title = " vs ".join(MODELS[key].name for key in measurements.models)
    parts: list[Any] = [
        Paragraph(escape(title), _TITLE),
        Paragraph(escape(_origin(measurements)), _NOTE),
        *(
            Paragraph(escape(f"Weights of {MODELS[key].name}: {model.weights}"), _NOTE)
            for key, model in measurements.models.items()
        ),
        *_heading("Key findings"),
        _findings(measurements),
        *_heading("Headline numbers"),
        _headline_numbers(headlines(measurements)),
        *_heading("Five steps"),
        *(_step(step) for step in steps),
        *_heading("Recommendations"),
        _advice(measurements),
        *_heading("Claims audit"),
        _claims(audit(measurements)),
    ]
    if photos:
        parts += [*_heading("Photos"), *(_photo(photo) for photo in photos)]
    target = io.BytesIO()
    document = SimpleDocTemplate(
        target,
        pagesize=A4,
        leftMargin=_MARGIN,
        rightMargin=_MARGIN,
        topMargin=_MARGIN,
        bottomMargin=_MARGIN,
        title=title,
        author="FeatherFace Compare",
        lang="en",
    )
    document.build(parts, onFirstPage=_number_page, onLaterPages=_number_page)
    return target.getvalue()


def _origin(measurements: Measurements) -> str:
    return f"Counted and measured on {when_text(measurements.when)}, on {machine_text(measurements.machine)}."


def _heading(text: str) -> tuple[Any, ...]:
    """Return a section's heading, on a new page if little room is left below it."""
    return CondPageBreak(_ROOM), Paragraph(text, _HEADING)


def _number_page(canvas: Any, document: Any) -> None:
    canvas.setFont("Vera", 7)
    canvas.setFillColor(_SOFT)
    canvas.drawRightString(A4[0] - _MARGIN, 7 * mm, str(document.page))


def _findings(measurements: Measurements) -> LongTable:
    rows = [
        (_coloured(row.direction), escape(row.sentence), escape(row.certainty))
        for row in findings(measurements)
    ]
    return _table(("", "Finding", "Confidence"), rows, (0.16, 0.40, 0.44))


def _headline_numbers(rows: Sequence[Headline]) -> LongTable:
    names = [MODELS[key].short_name for key in rows[0].values]
    cells = [
        (
            escape(row.name),
            *("not measured yet" if value is None else printed(value) for value in row.values.values()),
            change_text(row) or "",
            _headline_origin(row),
            _command(row.command),
        )
        for row in rows
    ]
    shares = (0.16, *(0.21 / len(names) for _ in names), 0.09, 0.26, 0.28)
    return _table(("", *names, "Change", "Origin and certainty", "Recompute with"), cells, shares)


def _headline_origin(row: Headline) -> str:
    known = next((value for value in row.values.values() if value is not None), None)
    if known is None:
        return ""
    return f"{_coloured(known.badge)}. {escape(row.certainty or 'No confidence interval')}"


def _step(step: Step) -> KeepTogether:
    parts: list[Any] = [
        Paragraph(escape(step.headline), _HEADLINE),
        Paragraph(f"{_step_badges(step)}. {escape(step.certainty)}", _NOTE),
        Paragraph(f"Recompute with {_command(step.command)}", _NOTE),
    ]
    if step.chart is not None:
        parts += [Spacer(0, 4), _drawing(step.chart), Paragraph(escape(step.chart.unit), _NOTE)]
    return KeepTogether(parts)


def _step_badges(step: Step) -> str:
    badges = (step.direction, step.badge) if step.chart else (step.direction,)
    return ", ".join(map(_coloured, badges))


def _advice(measurements: Measurements) -> LongTable:
    rows = [
        (
            f"<b>{escape(row.scenario)}</b>",
            escape(row.support),
            f"{escape(row.text)}{_numbers(row)}",
        )
        for row in recommendations(measurements)
    ]
    return _table(("Scenario", "Recommendation", "Reason"), rows, (0.24, 0.18, 0.58))


def _numbers(row: Recommendation) -> str:
    return f"<br/>{_coloured(row.badge)}: {_small('; '.join(row.numbers))}" if row.numbers else ""


def _claims(rows: Iterable[AuditRow]) -> LongTable:
    cells = [(_claim(row), _coloured(row.verdict), _result(row)) for row in rows]
    return _table(("Claim", "Verdict", "Result"), cells, (0.30, 0.14, 0.56))


def _claim(row: AuditRow) -> str:
    target = f" ({_coloured(Badge.TARGET)})" if row.claim.is_target else ""
    return f"{escape(row.claim.quote)}{target}<br/>{_small(row.claim.where)}"


def _result(row: AuditRow) -> str:
    if row.reading is None:
        return "Not measured yet."
    command = CLAIM_COMMANDS[row.claim.measurement]
    recompute = f"<br/>{_command(command)}" if command else ""
    return f"{escape(row.text)}<br/>{_coloured(row.reading.badge)}: {_small(row.reading.how)}{recompute}"


def _photo(photo: AnnotatedPhoto) -> KeepTogether:
    width = (_WIDTH - 6 * mm) / 2
    images, captions = [], []
    for key, jpeg in photo.images.items():
        image = Image(io.BytesIO(jpeg))
        scale = min(width / image.imageWidth, 110 * mm / image.imageHeight)
        image.drawWidth, image.drawHeight = image.imageWidth * scale, image.imageHeight * scale
        images.append(image)
        captions.append(Paragraph(escape(f"{MODELS[key].name}: {faces_text(photo.faces[key])}"), _NOTE))
    pair = (
        LongTable([images, captions], colWidths=[_WIDTH / len(images)] * len(images))
        if images
        else Spacer(0, 0)
    )
    return KeepTogether([Paragraph(escape(photo.name), _HEADLINE), pair])


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], shares: Sequence[float]) -> LongTable:
    """Return a table whose header repeats on every page; cells are ReportLab's markup, the header is text."""
    cells = [[Paragraph(f"<b>{escape(name)}</b>", _CELL) for name in header]]
    cells += [[Paragraph(cell, _CELL) for cell in row] for row in rows]
    style = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, -1), 0.5, _LINE),
        ("LEFTPADDING", (0, 0), (0, -1), 0),
    ]
    return LongTable(cells, colWidths=[share * _WIDTH for share in shares], repeatRows=1, style=style)


def _coloured(text: str) -> str:
    return f'<font color="{_COLOURS.get(text, "#56646a")}">{escape(str(text))}</font>'


def _small(text: str) -> str:
    return f'<font size="6.5" color="#56646a">{escape(text)}</font>'


def _command(text: str) -> str:
    return f'<font face="Courier" size="7">{escape(text)}</font>'


def _drawing(chart: StepChart) -> Drawing:
    """Return grouped bars with error bars, in points."""
    width, height = _CHART
    left, below, right, above = _PLOT
    drawing = Drawing(width, height)
    ticks = chart_ticks(chart)
    scale = (height - below - above) / (ticks[-1] - ticks[0])

    def y(value: float) -> float:
        return below + (value - ticks[0]) * scale

    for tick in ticks:
        drawing.add(Line(left, y(tick), width - right, y(tick), strokeColor=_LINE, strokeWidth=0.5))
        drawing.add(_label(left - 4, y(tick) - 2.5, f"{tick:.3g}", "end"))
    group = (width - left - right) / len(chart.categories)
    bar = min(0.8 * group / len(chart.series), 60)
    for place, category in enumerate(chart.categories):
        middle = left + (place + 0.5) * group
        drawing.add(_label(middle, below - 12, category, "middle"))
        for number, series in enumerate(chart.series):
            x = middle + (number - len(chart.series) / 2) * bar
            value, interval = series.values[place], series.intervals[place]
            shade = _shade(series.colour, pale=chart.marked not in ("", category))
            drawing.add(Rect(x, y(min(value, 0)), bar, abs(value) * scale, fillColor=shade, strokeColor=None))
            drawing.add(
                _label(x + bar / 2, y(0) + (3 if value >= 0 else -9), f"{value:.{chart.decimals}f}", "middle")
            )
            if interval is not None:
                drawing.add(
                    Line(
                        x + bar / 2,
                        y(interval[0]),
                        x + bar / 2,
                        y(interval[1]),
                        strokeColor=_INK,
                        strokeWidth=0.8,
                    )
                )
    _add_legend(drawing, chart)
    return drawing


def _add_legend(drawing: Drawing, chart: StepChart) -> None:
    if len(chart.series) < 2:
        return
    x = float(_PLOT[0])
    for series in chart.series:
        drawing.add(Rect(x, 2, 7, 7, fillColor=HexColor(series.colour), strokeColor=None))
        drawing.add(_label(x + 10, 3, series.name, "start"))
        x += 24 + stringWidth(series.name, "Vera", 6.5)


def _label(x: float, y: float, text: str, anchor: str) -> String:
    return String(x, y, text, fontName="Vera", fontSize=6.5, fillColor=_INK, textAnchor=anchor)


def _shade(colour: str, *, pale: bool) -> Color:
    shade = toColor(colour)
    return Color(shade.red, shade.green, shade.blue, alpha=_PALE if pale else 1)
