"""The comparison as a story of five steps: size, speed, large faces, small faces, and blur.

Each headline is computed from counts and measurements: where they say otherwise, so does the headline.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from featherface.evaluation.average_precision import bootstrap_interval
from featherface.evaluation.paired_bootstrap import (
    Difference,
    SavedComparison,
    difference_text,
    interval_text,
)
from featherface.models import MODELS
from featherface.profiling.latency import summary
from featherface.robustness.attribute_slices import WIDER_ATTRIBUTES
from featherface.robustness.labelled_stress import MEAN, Condition, Estimate
from featherface.robustness.photo_stress import BREAKING_RECALL
from featherface.robustness.robustness_results import (
    SavedSlices,
    SavedStress,
    shipped_slices,
    shipped_stress,
)
from featherface.study.findings import Direction, Finding, findings
from featherface.study.measurements import SELECTION_NOTE, STUDY_MODELS, V1, V2, Measurements
from featherface.study.provenance import Badge
from featherface.study.recomputation import (
    ATTRIBUTES_COMMAND,
    BLUR_COMMAND,
    HEIGHTS_COMMAND,
    STUDY_COMMAND,
    latency_command,
)
from featherface.study.results import shipped_comparisons

__all__ = [
    "BLUR",
    "CROWDS",
    "PORTRAITS",
    "Evidence",
    "Series",
    "Step",
    "StepChart",
    "breaking_sentence",
    "evidence",
    "is_opposite",
    "story",
]

BLUR = "defocus_blur"  # key in CORRUPTIONS
PORTRAITS, CROWDS = "over 96 px", "16-32 px"  # bands of face height in HEIGHT_SUBSETS
_BLUR_BAND = "32-96 px"  # large enough to be found, and often blurred
_DIFFERENCE_COLOUR = "#0d9488"
_NO_OVERLAP = "A difference counts where the models' 95% confidence intervals do not overlap."
_Interval = tuple[float, float]


@dataclass(frozen=True)
class Series:
    """The bars of one model, or of a difference, in the order of the chart's categories.

    intervals: low and high end of each error bar, None for a bar without one.
    """

    name: str
    colour: str  # "#rrggbb"
    values: tuple[float, ...]
    intervals: tuple[_Interval | None, ...]


@dataclass(frozen=True)
class StepChart:
    """Grouped bars: one group per category, one bar per series. `unit` is the title of the value axis.

    decimals: of the numbers on the bars. marked: the category that the headline is about, "" for all.
    """

    unit: str
    categories: tuple[str, ...]
    series: tuple[Series, ...]
    decimals: int
    marked: str = ""

    @property
    def description(self) -> str:
        """Return what the chart shows in words, for people who do not see it."""
        bars = "; ".join(f"{series.name}: {self._values(series)}" for series in self.series)
        return f"{self.unit}. {bars}"

    def _values(self, series: Series) -> str:
        pairs = zip(self.categories, series.values, strict=True)
        return ", ".join(f"{category} {value:.{self.decimals}f}" for category, value in pairs)


@dataclass(frozen=True)
class Step:
    """One step: a headline without its full stop, how certain it is, and the command that recomputes it.

    chart: None where nothing was measured.
    """

    topic: str
    direction: Direction
    headline: str
    certainty: str
    badge: Badge
    command: str
    chart: StepChart | None


@dataclass(frozen=True)
class Evidence:
    """Results that the steps need besides `Measurements`; each is None where it was not measured.

    heights: both models by face height. stress: V1 and V2 on labelled images that were blurred. slices: both
    on faces that were labelled as blurred, used where `stress` is missing.
    """

    heights: SavedComparison | None = None
    stress: tuple[SavedStress, SavedStress] | None = None
    slices: tuple[SavedSlices, SavedSlices] | None = None


def evidence(folder: Path, sha256: Mapping[str, str]) -> Evidence:
    """Return the results beside the weights in `folder` that were made with the weights `sha256` by model."""
    heights = _heights(shipped_comparisons(folder), sha256)
    return Evidence(heights, _stress(shipped_stress(folder, sha256)), _slices(shipped_slices(folder, sha256)))


def story(measurements: Measurements, found: Evidence) -> tuple[Step, ...]:
    """Return the five steps in their order."""
    by_name = {finding.name: finding for finding in findings(measurements)}
    return (
        _size(measurements, [by_name["Parameters"], by_name["Multiply-accumulates"]]),
        _speed(measurements, by_name["Latency"]),
        _height(found.heights, "Portraits", PORTRAITS, "large faces"),
        _height(found.heights, "Crowds", CROWDS, "small faces"),
        _blur(found),
    )


def breaking_sentence(severities: Mapping[str, int | None], lost: str) -> str:
    """Return which of two models breaks first, without a full stop.

    severities: by model key, the severity at which it breaks, None for never. lost: what it has lost then,
    as in "half of the faces".
    """
    broken = {key: severity for key, severity in severities.items() if severity is not None}
    if not broken:
        return f"Neither model loses more than {lost}, up to severity 5"
    first = min(broken, key=lambda key: broken[key])
    (other,) = (key for key in severities if key != first)
    if severities[other] == broken[first]:
        return f"Both models lose more than {lost} at severity {broken[first]}"
    later = "does not, up to severity 5" if severities[other] is None else f"does at severity {broken[other]}"
    return (
        f"{MODELS[first].name} breaks first: it loses more than {lost} at severity {broken[first]}; "
        f"{MODELS[other].name} {later}"
    )


def is_opposite(measured: Direction, first: int, second: int) -> bool:
    """Return whether V1's `first` and V2's `second` faces of a photo contradict the measured direction."""
    return measured is (Direction.GAIN if second < first else Direction.LOSS) and second != first


def _size(measurements: Measurements, found: Sequence[Finding]) -> Step:
    parameters, macs = found
    directions = {finding.direction for finding in found}
    direction = directions.pop() if len(directions) == 1 else Direction.EVEN
    (first, second) = (measurements.models[key] for key in STUDY_MODELS)
    amounts = {
        "Parameters": (first.cost.parameters, second.cost.parameters),
        f"MACs at {first.cost.width} × {first.cost.height}": (first.cost.macs, second.cost.macs),
        "Weights, float32": (first.stored_bytes, second.stored_bytes),
        "Smallest int8 file": (first.int8_bytes, second.int8_bytes),
        "Peak activation memory": (first.cost.memory.peak_bytes, second.cost.memory.peak_bytes),
    }
    shares = {
        V1: tuple(100.0 for _ in amounts),
        V2: tuple(100 * after / before for before, after in amounts.values()),
    }
    chart = StepChart(
        f"{MODELS[V1].short_name} = 100%", tuple(amounts), tuple(_bars(key, shares[key]) for key in shares), 0
    )
    headline = f"{MODELS[V2].short_name} has {_phrase(parameters)} and needs {_phrase(macs)}"
    certainty = f"{parameters.certainty} {macs.certainty}"
    return Step("Size", direction, headline, certainty, Badge.COUNTED, STUDY_COMMAND, chart)


def _phrase(finding: Finding) -> str:
    """Return the part of a count's sentence before its numbers: "57% fewer parameters"."""
    return finding.sentence.partition(":")[0]


def _speed(measurements: Measurements, found: Finding) -> Step:
    latency = measurements.latency
    command = latency_command(latency)
    if latency is None:
        headline = "Latency has not been measured on this machine yet"
        return Step("Speed", found.direction, headline, found.certainty, found.badge, command, None)
    settings = latency.settings
    medians = {key: summary(latency, key) for key in STUDY_MODELS}
    chart = StepChart(
        "Median latency (ms per image); error bars from the fastest round to the 95th percentile",
        (f"{settings.width} × {settings.height}",),
        tuple(_bars(key, (one.median,), ((one.fastest, one.p95),)) for key, one in medians.items()),
        1,
    )
    short, _, numbers = found.sentence.partition(": ")
    decided = found.direction in (Direction.GAIN, Direction.LOSS)
    headline = f"{MODELS[V2].short_name} is {short}: {numbers}" if decided else found.sentence
    return Step("Speed", found.direction, headline, found.certainty, found.badge, command, chart)


def _height(saved: SavedComparison | None, topic: str, band: str, faces: str) -> Step:
    """Return the step on the faces of one band of heights, called `faces`."""
    if saved is None:
        headline = f"Average precision on {faces} has not been measured with these weights"
        return Step(topic, Direction.OPEN, headline, "", Badge.MEASURED, HEIGHTS_COMMAND, None)
    bands = {name: one for name, one in saved.comparison.subsets.items() if one.interval and name != "all"}
    chart = StepChart(
        f"Difference in average precision, {MODELS[V2].short_name} minus {MODELS[V1].short_name}; "
        "error bars: 95% confidence interval",
        tuple(bands),
        (
            Series(
                f"{MODELS[V2].short_name} minus {MODELS[V1].short_name}",
                _DIFFERENCE_COLOUR,
                tuple(one.difference for one in bands.values()),
                tuple(one.interval for one in bands.values()),
            ),
        ),
        3,
        band,
    )
    if band not in bands:
        headline = f"Too few {faces} in {saved.image_set} to compare the models"
        return Step(topic, Direction.OPEN, headline, "", Badge.MEASURED, HEIGHTS_COMMAND, chart)
    direction, headline = _band_headline(bands[band], topic, faces)
    certainty = _band_certainty(bands[band], saved, band)
    return Step(topic, direction, headline, certainty, Badge.MEASURED, HEIGHTS_COMMAND, chart)


def _band_headline(found: Difference, topic: str, faces: str) -> tuple[Direction, str]:
    numbers = f"average precision {found.second:.3f} instead of {found.first:.3f} on {faces}"
    if not found.significant:
        return Direction.EVEN, f"{topic}: no significant difference, {numbers}"
    word, direction = ("better", Direction.GAIN) if found.difference > 0 else ("worse", Direction.LOSS)
    return direction, f"{topic}: {MODELS[V2].short_name} is {word}, {numbers}"


def _band_certainty(found: Difference, saved: SavedComparison, band: str) -> str:
    interval = found.interval or (found.difference, found.difference)
    note = SELECTION_NOTE if saved.used_for_selection else ""
    return (
        f"Faces {band} high: difference {difference_text(found.difference)}, 95% paired confidence interval "
        f"{interval_text(interval)}; {saved.image_set}, {saved.comparison.images:,} images. {note}"
    ).rstrip()


def _blur(found: Evidence) -> Step:
    if found.stress is not None:
        return _blur_of_images(found.stress)
    if found.slices is not None:
        return _blur_of_slices(found.slices)
    headline = "Blur has not been measured with these weights"
    return Step("Blur", Direction.OPEN, headline, "", Badge.MEASURED, BLUR_COMMAND, None)


def _blur_of_images(pair: tuple[SavedStress, SavedStress]) -> Step:
    first = pair[0]
    severities = [0, *sorted(first.robustness.severities)]
    kept = {saved.model: [_kept(saved, severity) for severity in severities] for saved in pair}
    breaks = {key: _breaks_at(severities, shares) for key, shares in kept.items()}
    shares = [_share_kept(saved) for saved in pair]
    difference = _difference_kept(pair, shares)
    direction, words = _kept_headline(difference, breaks)
    headline = f"Defocus blur: {words}"
    note = f" {SELECTION_NOTE}" if first.used_for_selection else ""
    certainty = (
        f"Mean average precision on {first.robustness.images:,} images of {first.image_set} under five "
        f"severities, as a share of that on clean images: {_shares_text(shares)}. "
        f"{_difference_text(difference)}{note}"
    )
    chart = _severity_chart(
        "Average precision kept (%)",
        severities,
        {key: [100 * value for value in shares] for key, shares in kept.items()},
    )
    return Step("Blur", direction, headline, certainty, Badge.MEASURED, BLUR_COMMAND, chart)


def _breaks_at(severities: Sequence[int], shares: Sequence[float]) -> int | None:
    """Return the first severity at which less than half is left, or None."""
    return next(
        (step for step, share in zip(severities, shares, strict=True) if share < BREAKING_RECALL), None
    )


def _blur_of_slices(pair: tuple[SavedSlices, SavedSlices]) -> Step:
    recall = {saved.model: _blur_recall(saved) for saved in pair}
    values = [value for value in WIDER_ATTRIBUTES["blur"] if all(value in found for found in recall.values())]
    chart = StepChart(
        "Recall (%); error bars: 95% confidence interval",
        tuple(values),
        tuple(_recall_bars(key, [found[value] for value in values]) for key, found in recall.items()),
        0,
    )
    first, second = (recall[key][values[-1]] for key in STUDY_MODELS)
    direction, verdict = _recall_verdict(first, second)
    headline = (
        f"Blur: {verdict}, {MODELS[V2].short_name} finds {second.value:.0%} of the faces with {values[-1]} "
        f"instead of {first.value:.0%}"
    )
    saved = pair[0]
    note = f" {SELECTION_NOTE}" if saved.used_for_selection else ""
    certainty = (
        f"Faces {_BLUR_BAND} high, as large faces are blurred less often; recall at confidence "
        f"{saved.confidence:.2f} on {saved.images:,} images of {saved.image_set}. "
        f"{_NO_OVERLAP}{note}"
    )
    return Step("Blur", direction, headline, certainty, Badge.MEASURED, ATTRIBUTES_COMMAND, chart)


def _blur_recall(saved: SavedSlices) -> dict[str, Estimate]:
    """Return recall by degree of blur, without degrees of which there are too few faces."""
    return {
        one.value: one.recall
        for one in saved.slices
        if (one.attribute, one.band) == ("blur", _BLUR_BAND) and one.recall is not None
    }


def _recall_bars(key: str, found: Sequence[Estimate]) -> Series:
    intervals = tuple(one.interval and (100 * one.interval[0], 100 * one.interval[1]) for one in found)
    return _bars(key, tuple(100 * one.value for one in found), intervals)


def _recall_verdict(first: Estimate, second: Estimate) -> tuple[Direction, str]:
    direction = _by_intervals(first, second)
    words = {
        Direction.LOSS: f"{MODELS[V2].short_name} breaks first",
        Direction.GAIN: f"{MODELS[V1].short_name} breaks first",
    }
    return direction, words.get(direction, "inconclusive")


def _by_intervals(first: Estimate, second: Estimate) -> Direction:
    """Return which model keeps more, where their confidence intervals do not overlap."""
    if first.interval is None or second.interval is None:
        return Direction.INCONCLUSIVE
    if second.interval[1] < first.interval[0]:
        return Direction.LOSS
    return Direction.GAIN if first.interval[1] < second.interval[0] else Direction.INCONCLUSIVE


def _difference_kept(pair: tuple[SavedStress, SavedStress], shares: Sequence[Estimate]) -> Difference:
    """Return how the models' shares under blur differ.

    Without an interval where other corruptions were measured too, or a file has no resampled shares.
    """
    found = [saved.robustness for saved in pair]
    first, second = (np.array(one.rpc_resampled) for one in found)
    alone = all(one.corruptions == (BLUR,) for one in found) and 0 < len(first) == len(second)
    interval = bootstrap_interval(second - first) if alone else None
    return Difference(shares[0].value, shares[1].value, interval, None)


def _kept_headline(found: Difference, breaks: Mapping[str, int | None]) -> tuple[Direction, str]:
    if found.significant:
        direction = Direction.GAIN if found.difference > 0 else Direction.LOSS
        return direction, _lower_first(breaking_sentence(breaks, "half of the average precision"))
    direction, verdict = Direction.EVEN, "no significant difference"
    if found.interval is None:
        direction, verdict = Direction.INCONCLUSIVE, "inconclusive"
    first, second = (MODELS[key].short_name for key in STUDY_MODELS)
    return direction, (
        f"{verdict}, {first} keeps {found.first:.0%} of its average precision and {second} {found.second:.0%}"
    )


def _difference_text(found: Difference) -> str:
    if found.interval is None:
        return "The difference has no paired confidence interval."
    low, high = found.interval
    return (
        f"Difference {difference_text(100 * found.difference, 1)} percentage points, 95% paired confidence "
        f"interval {interval_text((100 * low, 100 * high), 1)}."
    )


def _share_kept(saved: SavedStress) -> Estimate:
    """Return the share of the clean average precision that is left over all severities of blur.

    Its interval is known where nothing but blur was measured.
    """
    found = saved.robustness
    if found.corruptions == (BLUR,):
        return found.rpc[MEAN]
    return Estimate(
        sum(_kept(saved, severity) for severity in found.severities) / len(found.severities), None
    )


def _shares_text(shares: Sequence[Estimate]) -> str:
    parts = []
    for key, share in zip(STUDY_MODELS, shares, strict=True):
        interval = "no confidence interval"
        if share.interval is not None:
            interval = "95% confidence interval {:.0%} to {:.0%}".format(*share.interval)
        parts.append(f"{MODELS[key].short_name} keeps {share.value:.0%} ({interval})")
    return " and ".join(parts)


def _kept(saved: SavedStress, severity: int) -> float:
    """Return the share of the clean average precision that is left at a severity."""
    clean = saved.robustness.clean[MEAN].value
    if severity == 0:
        return 1.0
    return saved.robustness.by_condition[Condition(BLUR, severity)][MEAN] / clean


def _severity_chart(unit: str, severities: Sequence[int], values: Mapping[str, Sequence[float]]) -> StepChart:
    names = tuple("Clean" if severity == 0 else f"Severity {severity}" for severity in severities)
    return StepChart(unit, names, tuple(_bars(key, tuple(found)) for key, found in values.items()), 0)


def _bars(
    key: str, values: tuple[float, ...], intervals: tuple[_Interval | None, ...] | None = None
) -> Series:
    return Series(MODELS[key].name, MODELS[key].colour, values, intervals or (None,) * len(values))


def _lower_first(text: str) -> str:
    """Return the text as it stands after a colon: "Both" becomes "both", a model's name stays."""
    names = tuple(entry.name for entry in MODELS.values())
    return text if text.startswith(names) else text[:1].lower() + text[1:]


def _heights(found: Iterable[SavedComparison], sha256: Mapping[str, str]) -> SavedComparison | None:
    """Return the comparison by face height with the weights `sha256` on most images."""
    weights = tuple(sha256.get(key) for key in STUDY_MODELS)
    fitting = [
        saved
        for saved in found
        if saved.models == STUDY_MODELS
        and saved.weights_sha256 == weights
        and CROWDS in saved.comparison.subsets
    ]
    return max(fitting, key=lambda saved: saved.comparison.images, default=None)


def _stress(results: Sequence[SavedStress]) -> tuple[SavedStress, SavedStress] | None:
    """Return the results of V1 and V2 under blur on the same images, of several the ones with most images."""
    pairs = [
        (first, second)
        for first in results
        for second in results
        if (first.model, second.model) == STUDY_MODELS and _comparable(first, second)
    ]
    return max(pairs, key=lambda pair: pair[0].robustness.images, default=None)


def _comparable(first: SavedStress, second: SavedStress) -> bool:
    def images(saved: SavedStress) -> tuple[object, ...]:
        return (
            saved.image_set,
            saved.resize,
            saved.input_size,
            saved.robustness.images,
            saved.robustness.severities,
        )

    return (
        images(first) == images(second)
        and all(BLUR in saved.robustness.corruptions for saved in (first, second))
        and all(saved.robustness.clean[MEAN].value > 0 for saved in (first, second))
    )


def _slices(results: Sequence[SavedSlices]) -> tuple[SavedSlices, SavedSlices] | None:
    """Return the results of V1 and V2 by degree of blur on the same images, those with most images."""
    heaviest = WIDER_ATTRIBUTES["blur"][-1]
    pairs = [
        (first, second)
        for first in results
        for second in results
        if (first.model, second.model) == STUDY_MODELS
        and (first.image_set, first.images, first.confidence)
        == (second.image_set, second.images, second.confidence)
        and all(heaviest in _blur_recall(saved) for saved in (first, second))
    ]
    return max(pairs, key=lambda pair: pair[0].images, default=None)
