"""Evaluations grouped into runs: only results that can be compared share a chart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from featherface.config import MATCH_IOU
from featherface.evaluation.average_precision import Curve
from featherface.evaluation.curves import SavedCurves
from featherface.models import MODELS
from featherface.reporting.figures.accuracy import curve_chart, precision_bars
from featherface.reporting.html_report import ReportChart
from featherface.reporting.wording import images_text, when_text
from featherface.study.results import OFFICIAL_SUBSETS, input_words

__all__ = ["Run", "report_charts", "runs"]


@dataclass(frozen=True, eq=False)
class Run:
    """One evaluation per model, by one protocol on the same images at the same input size."""

    results: Mapping[str, SavedCurves]  # by the model's key, in the registry's order

    @property
    def first(self) -> SavedCurves:
        """Return one of the results, for what they have in common."""
        return next(iter(self.results.values()))

    @property
    def official(self) -> bool:
        """Return whether the subsets are easy, medium and hard; otherwise they are bands of face height."""
        return set(OFFICIAL_SUBSETS) <= set(self.first.evaluation.curves)

    @property
    def title(self) -> str:
        """Return the image set and the input size."""
        return f"{self.first.image_set}, {input_words(self.first)}"

    @property
    def about(self) -> str:
        """Return protocol, number of images, weights and dates, in sentences."""
        evaluation = self.first.evaluation
        protocol = (
            "official WIDER FACE protocol" if self.official else f"{evaluation.protocol}, by face height"
        )
        weights = "; ".join(
            f"{MODELS[key].name}: weights {saved.weights_sha256[:12]}, {when_text(saved.date)}, on "
            f"{saved.machine.get('processor', 'an unknown processor')}"
            for key, saved in self.results.items()
        )
        count = images_text(evaluation.images)
        selection = (
            " These images were also used to choose the checkpoints."
            if any(saved.used_for_selection for saved in self.results.values())
            else ""
        )
        return f"{protocol[:1].upper()}{protocol[1:]}, {count}, IoU {MATCH_IOU}. {weights}.{selection}"

    @property
    def subsets(self) -> dict[str, int]:
        """Return the number of faces of each subset that has any."""
        return {name: curve.faces for name, curve in self.first.evaluation.curves.items() if curve.faces}

    def curves(self, subset: str) -> dict[str, Curve]:
        """Return one subset's curves by model key."""
        return {key: saved.evaluation.curves[subset] for key, saved in self.results.items()}

    def by_model(self) -> dict[str, dict[str, Curve]]:
        """Return the curves by model key and subset."""
        return {
            key: {subset: saved.evaluation.curves[subset] for subset in self.subsets}
            for key, saved in self.results.items()
        }

    def scores(self) -> pd.DataFrame:
        """Return average precision and its confidence interval, 0..1, one row per model and subset.

        Where there is no interval, the note says why.
        """
        return pd.DataFrame(
            {
                "subset": subset,
                "faces": curve.faces,
                "model": MODELS[key].name,
                "average precision": curve.average_precision,
                "from": curve.interval and curve.interval[0],
                "to": curve.interval and curve.interval[1],
                "note": curve.no_interval,
            }
            for key, curves in self.by_model().items()
            for subset, curve in curves.items()
        )

    def points(self, subset: str) -> pd.DataFrame:
        """Return every point of one subset's precision-recall curves."""
        tables = [
            pd.DataFrame(
                {
                    "model": key,
                    "threshold": curve.thresholds,
                    "precision": curve.precision,
                    "recall": curve.recall,
                }
            )
            for key, curve in self.curves(subset).items()
        ]
        return pd.concat(tables, ignore_index=True)


def runs(saved: Iterable[SavedCurves]) -> list[Run]:
    """Group evaluations that can be compared: official subsets first, then by number of images.

    A second evaluation of the same model starts another run.
    """
    alike: dict[tuple[object, ...], list[dict[str, SavedCurves]]] = {}
    for one in saved:
        evaluation = one.evaluation
        kind = (evaluation.protocol, one.image_set, input_words(one), evaluation.images, *evaluation.curves)
        groups = alike.setdefault(kind, [])
        group = next((found for found in groups if one.model not in found), None)
        if group is None:
            groups.append(group := {})
        group[one.model] = one
    found = [
        Run({key: group[key] for key in MODELS if key in group})
        for groups in alike.values()
        for group in groups
    ]
    return sorted(found, key=lambda run: (not run.official, -run.first.evaluation.images))


def report_charts(saved: Iterable[SavedCurves]) -> list[ReportChart]:
    """Return two charts per run: average precision, and one precision-recall curve (hard or all faces).

    A run without a face that counts has nothing to draw.
    """
    charts = []
    for run in runs(saved):
        if not run.subsets:
            continue
        name = "by subset" if run.official else "by face height"
        charts.append(ReportChart(f"Average precision {name}", precision_bars(run.by_model()), run.about))
        subset = "hard" if run.official and "hard" in run.subsets else next(iter(run.subsets))
        charts.append(
            ReportChart(f"Precision-recall curve, {subset} faces", curve_chart(run.curves(subset)), run.about)
        )
    return charts
