"""Several photos compared at once: which of them two models disagree on, as one table and one file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence

import pandas as pd

from featherface.models import detector_entry
from featherface.reporting.comparison import Comparison, detections_document

__all__ = ["by_disagreement", "differing_faces", "faces_csv", "faces_json", "photo_table"]


def differing_faces(comparison: Comparison) -> int:
    """Return how many faces only one of two models found; 0 where there is one model."""
    found = comparison.agreement
    return 0 if found is None else len(found.only_first) + len(found.only_second)


def by_disagreement(comparisons: Sequence[Comparison]) -> list[int]:
    """Return the indices of the photos, those with the most faces that only one model found first.

    Among equals the photo with the lower share of faces found by both comes first, then the earlier one.
    """

    def order(index: int) -> tuple[int, float]:
        found = comparisons[index].agreement
        return -differing_faces(comparisons[index]), found.share if found else 0.0

    return sorted(range(len(comparisons)), key=order)


def photo_table(comparisons: Sequence[Comparison]) -> pd.DataFrame:
    """Return one row per photo, in the order given: counts, agreement and latency of each model.

    agreement: share of all faces that both models found, 0..1; without value where there is no face.
    """
    return pd.DataFrame([_row(comparison) for comparison in comparisons])


def _row(comparison: Comparison) -> dict[str, object]:
    names = {key: detector_entry(key).short_name for key in comparison.faces}
    row: dict[str, object] = {"Photo": comparison.name}
    row |= {f"{names[key]} faces": len(faces) for key, faces in comparison.faces.items()}
    found = comparison.agreement
    if found is not None:
        first, second = names.values()
        row["Found by both"] = found.both
        row[f"Only {first}"], row[f"Only {second}"] = len(found.only_first), len(found.only_second)
        row["Agreement"] = found.share if found.both + differing_faces(comparison) else None
    for key, result in comparison.results.items():
        row[f"{names[key]} latency (ms)"] = round(sum(result.milliseconds.values()), 1)
    return row


def faces_csv(comparisons: Sequence[Comparison]) -> str:
    """Return one line per face of every photo: the photo's name, then the columns of `Comparison.to_csv`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for number, comparison in enumerate(comparisons):
        header, *rows = csv.reader(io.StringIO(comparison.to_csv()))
        if number == 0:
            writer.writerow(["photo", *header])
        writer.writerows([comparison.name, *row] for row in rows)
    return text.getvalue()


def faces_json(comparisons: Sequence[Comparison]) -> str:
    """Return one `detections_document` of all photos as JSON. There must be one photo or more."""
    first = comparisons[0]
    weights = {key: result.weights for key, result in first.results.items()}
    entries = [comparison.photo_entry() for comparison in comparisons]
    return json.dumps(detections_document(weights, first.settings, entries), indent=1)
