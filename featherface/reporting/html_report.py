"""The study's report: one HTML file that opens offline and prints to a clean PDF."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from featherface.errors import FeatherFaceError
from featherface.models import MODELS
from featherface.reporting.figures.radar_chart import MIN_RADAR_AXES, radar_chart
from featherface.reporting.figures.story_bars import story_bars
from featherface.reporting.figures.style import data_uri
from featherface.reporting.wording import change_text, faces_text, machine_text, printed, when_text
from featherface.study.claims import AuditRow, Verdict, audit
from featherface.study.findings import Direction, Finding, findings
from featherface.study.headlines import Headline, headlines
from featherface.study.measurements import Measurements
from featherface.study.provenance import Badge
from featherface.study.radar import Radar, radar
from featherface.study.recommendations import Recommendation, recommendations
from featherface.study.recomputation import CLAIM_COMMANDS
from featherface.study.story import Step

__all__ = ["REPORT_FILE", "AnnotatedPhoto", "ReportChart", "ReportError", "html_report"]

REPORT_FILE = "featherface_report.html"
_TEMPLATE = Path(__file__).with_name("html_report.html")
_CLASSES = {
    Verdict.HOLDS: "holds",
    Verdict.OFF: "off",
    Verdict.WRONG: "wrong",
    Verdict.INCONCLUSIVE: "inconclusive",
    Verdict.NOT_MEASURED: "open",
    Direction.GAIN: "gain",
    Direction.LOSS: "loss",
    Direction.EVEN: "open",
    Direction.INCONCLUSIVE: "inconclusive",
    Direction.OPEN: "open",
}
_CHECKSUM = re.compile("([0-9a-f]{12})[0-9a-f]{52}")  # the first part is printed
_FONT = 'system-ui, "Segoe UI", "Liberation Sans", Arial, sans-serif'


class ReportError(FeatherFaceError):
    """The report cannot be created; the message is one sentence."""


@dataclass(frozen=True, eq=False)
class ReportChart:
    """A chart with its title and where its numbers come from."""

    title: str
    figure: go.Figure
    note: str


@dataclass(frozen=True)
class AnnotatedPhoto:
    """A photo with the faces that each model found, by the model's key.

    images: JPEG files with the faces drawn. faces: their number. both: the faces on which two models agree;
    None unless two models ran.
    """

    name: str
    about: str
    images: Mapping[str, bytes]
    faces: Mapping[str, int]
    both: int | None


def html_report(
    measurements: Measurements,
    charts: Sequence[ReportChart],
    photos: Sequence[AnnotatedPhoto] = (),
    steps: Sequence[Step] = (),
) -> str:
    """Return the report; `steps` follow the headline numbers, `charts` the radar chart, `photos` are last.

    Raises ReportError.
    """
    try:
        return _document(measurements, charts, photos, steps)
    except MemoryError as error:
        raise ReportError(
            "There is not enough memory to create the report; close other programs, or leave out the photos."
        ) from error


def _document(
    measurements: Measurements,
    charts: Sequence[ReportChart],
    photos: Sequence[AnnotatedPhoto],
    steps: Sequence[Step],
) -> str:
    title = " vs ".join(MODELS[key].name for key in measurements.models)
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">Counted and measured on {when_text(measurements.when)}, on '
        f"{escape(machine_text(measurements.machine))}. Weights: {_weights(measurements)}.</p>",
        "<h2>Key findings</h2>",
        _findings_table(findings(measurements)),
        "<h2>Headline numbers</h2>",
        _headline_table(headlines(measurements)),
        *(["<h2>Five steps</h2>", *map(_step, steps)] if steps else []),
        "<h2>Radar chart</h2>",
        _radar_section(radar(measurements), list(measurements.models)),
        *(_chart(chart) for chart in charts),
        "<h2>Recommendations</h2>",
        _recommendation_table(recommendations(measurements)),
        "<h2>Claims audit</h2>",
        _claims_table(audit(measurements)),
    ]
    if photos:
        body += ["<h2>Photos</h2>", *map(_photo, photos)]
    template = Template(_TEMPLATE.read_text(encoding="utf-8"))
    return template.substitute(title=escape(title), plotly=get_plotlyjs(), body="\n".join(body))


def _weights(measurements: Measurements) -> str:
    text = "; ".join(f"{MODELS[key].name}, {model.weights}" for key, model in measurements.models.items())
    return escape(_CHECKSUM.sub(r"\1", text))


def _findings_table(rows: Iterable[Finding]) -> str:
    return _table(
        ("", "Finding", "Confidence"),
        (
            (_badge(row.direction, _CLASSES[row.direction]), escape(row.sentence), escape(row.certainty))
            for row in rows
        ),
    )


def _headline_table(rows: Sequence[Headline]) -> str:
    keys = list(rows[0].values)
    return _table(
        ("", *(MODELS[key].name for key in keys), _pair_text(keys, " vs "), "", "Method"),
        map(_headline_row, rows),
    )


def _headline_row(row: Headline) -> tuple[str, ...]:
    known = next((quantity for quantity in row.values.values() if quantity is not None), None)
    return (
        escape(row.name),
        *("not measured yet" if value is None else printed(value) for value in row.values.values()),
        change_text(row) or "",
        f"{_origin_badge(known.badge)}<br><small>{escape(row.certainty)}</small>" if known else "",
        f"<small>{escape(known.source)}</small>{_command(row.command)}" if known else _command(row.command),
    )


def _step(step: Step) -> str:
    badge = _badge(step.direction, _CLASSES[step.direction])
    if step.chart is not None:
        badge += f" {_origin_badge(step.badge)}"
    text = f"<h3>{escape(step.headline)}</h3><p>{badge} <small>{escape(step.certainty)}</small></p>"
    if step.chart is None:
        return f"<section>{text}{_command(step.command)}</section>"
    note = f"<figcaption>{escape(step.chart.unit)}</figcaption>"
    chart = f"<figure>{_plot(story_bars(step.chart, 300))}{note}</figure>"
    return f"<section>{text}{_command(step.command)}{chart}</section>"


def _command(command: str) -> str:
    return f'<br><code title="Recompute with">{escape(command)}</code>' if command else ""


def _pair_text(keys: Sequence[str], between: str) -> str:
    """Return the second model and the first, to which it is compared: "V2 vs V1"."""
    first, second, *_ = (MODELS[key].short_name for key in keys)
    return escape(f"{second}{between}{first}")


def _radar_section(found: Radar, keys: Sequence[str]) -> str:
    rows = [
        (
            escape(axis.name),
            escape(axis.formula),
            *(f"{axis.scores[key]:.3f}" for key in keys),
            f"{axis.ratio:.2f}",
        )
        for axis in found.axes
    ]
    rows += [
        (escape(axis.name), escape(axis.formula), *["not measured yet"] * len(keys), "")
        for axis in found.missing
    ]
    header = ("Axis", "Formula", *(MODELS[key].short_name for key in keys), _pair_text(keys, " / "))
    table = _table(header, rows)
    if len(found.axes) < MIN_RADAR_AXES:
        return table
    return _plot(radar_chart(found)) + table


def _chart(chart: ReportChart) -> str:
    note = f"<figcaption>{escape(chart.note)}</figcaption>"
    return f"<h2>{escape(chart.title)}</h2><figure>{_plot(chart.figure)}{note}</figure>"


def _plot(figure: go.Figure) -> str:
    figure = go.Figure(figure)  # a copy: the page shows the original
    figure.update_layout(template="plotly_white", font={"family": _FONT, "size": 13, "color": "#1d2528"})
    drawn: str = figure.to_html(
        full_html=False,
        include_plotlyjs=False,
        default_height=f"{figure.layout.height}px",
        config={"displaylogo": False, "responsive": True, "toImageButtonOptions": {"format": "svg"}},
    )
    return f'<div class="chart">{drawn}</div>'


def _recommendation_table(rows: Iterable[Recommendation]) -> str:
    return _table(
        ("Scenario", "Recommendation", "Reason"),
        (
            (
                escape(row.scenario),
                escape(row.support),
                f"{escape(row.text)}{_numbers(row)}",
            )
            for row in rows
        ),
    )


def _claims_table(rows: Iterable[AuditRow]) -> str:
    return _table(("Claim", "Result"), ((_claim(row), _result(row)) for row in rows))


def _claim(row: AuditRow) -> str:
    target = " " + _origin_badge(Badge.TARGET) if row.claim.is_target else ""
    verdict = _badge(row.verdict, _CLASSES[row.verdict])
    return f"{escape(row.claim.quote)} {verdict}{target}<br><small>{escape(row.claim.where)}</small>"


def _result(row: AuditRow) -> str:
    if row.reading is None:
        return "Not measured yet."
    how = f"{_origin_badge(row.reading.badge)} {escape(row.reading.how)}"
    return f"{escape(row.text)}<br><small>{how}</small>{_command(CLAIM_COMMANDS[row.claim.measurement])}"


def _numbers(row: Recommendation) -> str:
    if not row.numbers:
        return ""
    return f"<br>{_origin_badge(row.badge)} <small>{escape('; '.join(row.numbers))}</small>"


def _photo(photo: AnnotatedPhoto) -> str:
    figures = [
        f'<figure><img src="{data_uri(jpeg)}" alt="{escape(_photo_alt(photo, key))}">'
        f"<figcaption>{MODELS[key].name}: {faces_text(photo.faces[key])}</figcaption></figure>"
        for key, jpeg in photo.images.items()
    ]
    both = (
        "" if photo.both is None else f'<p class="soft">Found by both models: {faces_text(photo.both)}.</p>'
    )
    pair = f'<div class="pair">{"".join(figures)}</div>'
    return f"<section><h3>{escape(photo.name)}</h3>{both}{pair}</section>"


def _photo_alt(photo: AnnotatedPhoto, key: str) -> str:
    return f"{photo.name}, {photo.about}: {MODELS[key].name} found {faces_text(photo.faces[key])}"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; the cells are HTML, the header is text."""
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>'


def _badge(text: str, css_class: str) -> str:
    return f'<span class="badge {css_class}">{escape(text)}</span>'


def _origin_badge(origin: Badge) -> str:
    return _badge(origin.value, origin.value)
