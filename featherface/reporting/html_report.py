"""The study as one HTML file that works offline and prints to a clean PDF."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from featherface.dashboard.state.photos import data_uri
from featherface.dashboard.state.sample_comparison import AnnotatedPhoto
from featherface.models import MODELS
from featherface.profiling.machine import Badge
from featherface.reporting.figures.results_figures import MIN_RADAR_AXES, radar_chart
from featherface.reporting.wording import change_text, faces_text, machine_text, printed, when_text
from featherface.study.claims import AuditRow, Verdict, audit
from featherface.study.findings import Direction, Finding, findings
from featherface.study.headlines import Headline, headlines
from featherface.study.measurements import Measurements
from featherface.study.radar import Radar, radar
from featherface.study.recommendations import Recommendation, recommendations

__all__ = ["ReportChart", "html_report"]

_TITLE = "FeatherFace V1 and V2 compared"
_TEMPLATE = Path(__file__).with_name("html_report.html")
_CLASSES = {
    Verdict.HOLDS: "holds",
    Verdict.OFF: "off",
    Verdict.WRONG: "wrong",
    Verdict.UNSETTLED: "unsettled",
    Verdict.NOT_MEASURED: "open",
    Direction.GAIN: "gain",
    Direction.LOSS: "loss",
    Direction.EVEN: "open",
    Direction.OPEN: "open",
}
_CHECKSUM = re.compile("([0-9a-f]{12})[0-9a-f]{52}")  # its beginning is enough to tell files apart
_FONT = 'system-ui, "Segoe UI", "Liberation Sans", Arial, sans-serif'


@dataclass(frozen=True, eq=False)
class ReportChart:
    """A chart with what it shows and where its numbers come from."""

    title: str
    figure: go.Figure
    note: str


def html_report(
    measurements: Measurements, charts: Sequence[ReportChart], photos: Sequence[AnnotatedPhoto]
) -> str:
    """Return the whole document; `charts` follow the radar, `photos` stand at the end."""
    body = [
        f"<h1>{_TITLE}</h1>",
        f'<p class="soft">Counted and measured on {when_text(measurements.when)} on '
        f"{escape(machine_text(measurements.machine))}. Weights: {_weights(measurements)}.</p>",
        "<h2>In short</h2>",
        _findings_table(findings(measurements)),
        "<h2>Headline numbers</h2>",
        _headline_table(headlines(measurements)),
        "<h2>Profile</h2>",
        _profile(radar(measurements)),
        *(_chart(chart) for chart in charts),
        "<h2>What to use</h2>",
        _recommendation_table(recommendations(measurements)),
        "<h2>The study's claims</h2>",
        _claims_table(audit(measurements)),
    ]
    if photos:
        body += ["<h2>Photos</h2>", *map(_photo, photos)]
    template = Template(_TEMPLATE.read_text(encoding="utf-8"))
    return template.substitute(title=_TITLE, plotly=get_plotlyjs(), body="\n".join(body))


def _weights(measurements: Measurements) -> str:
    words = "; ".join(f"{MODELS[key].name}, {model.weights}" for key, model in measurements.models.items())
    return escape(_CHECKSUM.sub(r"\1", words))


def _findings_table(rows: Iterable[Finding]) -> str:
    return _table(
        ("", "V2 against V1", "How sure"),
        (
            (_badge(row.direction, _CLASSES[row.direction]), escape(row.sentence), escape(row.sureness))
            for row in rows
        ),
    )


def _headline_table(rows: Iterable[Headline]) -> str:
    names = [entry.name for entry in MODELS.values()]
    cells = []
    for row in rows:
        known = next((quantity for quantity in row.values.values() if quantity is not None), None)
        cells.append(
            (
                escape(row.name),
                *("not yet measured" if value is None else printed(value) for value in row.values.values()),
                change_text(row) or "",
                _origin_badge(known.badge) if known else "",
                f"<small>{escape(known.source)}</small>" if known else "",
            )
        )
    return _table(("", *names, "Change", "", "How"), cells)


def _profile(found: Radar) -> str:
    rows = [
        (
            escape(axis.name),
            escape(axis.formula),
            *(f"{score:.3f}" for score in axis.scores.values()),
            f"{axis.ratio:.2f}",
        )
        for axis in found.axes
    ]
    rows += [
        (escape(axis.name), escape(axis.formula), *["not measured"] * len(MODELS), "")
        for axis in found.missing
    ]
    table = _table(("Axis", "Formula", *(key.upper() for key in MODELS), "V2 / V1"), rows)
    if len(found.axes) < MIN_RADAR_AXES:
        return table
    return _plot(radar_chart(found)) + table


def _chart(chart: ReportChart) -> str:
    note = f"<figcaption>{escape(chart.note)}</figcaption>"
    return f"<h2>{escape(chart.title)}</h2><figure>{_plot(chart.figure)}{note}</figure>"


def _plot(figure: go.Figure) -> str:
    figure = go.Figure(figure)  # a copy: the page's own stays as it is
    figure.update_layout(template="plotly_white", font={"family": _FONT, "size": 13, "color": "#1d2528"})
    drawn = figure.to_html(
        full_html=False,
        include_plotlyjs=False,
        default_height=f"{figure.layout.height}px",
        config={"displaylogo": False, "responsive": True, "toImageButtonOptions": {"format": "svg"}},
    )
    return f'<div class="chart">{drawn}</div>'


def _recommendation_table(rows: Iterable[Recommendation]) -> str:
    return _table(
        ("Scenario", "Verdict", "Because"),
        (
            (
                escape(row.scenario),
                escape(row.support),
                f"{escape(row.text)}<br><small>{escape('; '.join(row.numbers))}</small>",
            )
            for row in rows
        ),
    )


def _claims_table(rows: Iterable[AuditRow]) -> str:
    return _table(("The study says", "Measured"), ((_claimed(row), _found(row)) for row in rows))


def _claimed(row: AuditRow) -> str:
    target = " " + _origin_badge(Badge.TARGET) if row.claim.is_target else ""
    verdict = _badge(row.verdict, _CLASSES[row.verdict])
    return f"{escape(row.claim.quote)} {verdict}{target}<br><small>{escape(row.claim.where)}</small>"


def _found(row: AuditRow) -> str:
    if row.reading is None:
        return "Not yet measured."
    how = f"{_origin_badge(row.reading.badge)} {escape(row.reading.how)}"
    return f"{escape(row.text)}<br><small>{how}</small>"


def _photo(photo: AnnotatedPhoto) -> str:
    figures = [
        f'<figure><img src="{data_uri(jpeg)}" alt="{escape(photo.name)}: faces found by {MODELS[key].name}">'
        f"<figcaption>{MODELS[key].name}: {faces_text(photo.faces[key])}</figcaption></figure>"
        for key, jpeg in photo.pictures.items()
    ]
    both = "" if photo.both is None else f'<p class="soft">Found by both: {photo.both}.</p>'
    pair = f'<div class="pair">{"".join(figures)}</div>'
    return f"<section><h3>{escape(photo.name)}</h3>{both}{pair}</section>"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out cells that are HTML already."""
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>'


def _badge(text: str, css_class: str) -> str:
    return f'<span class="badge {css_class}">{escape(text)}</span>'


def _origin_badge(origin: Badge) -> str:
    return _badge(origin.value, origin.value)
