"""Why a face was missed, in one sentence for people."""

from __future__ import annotations

from collections.abc import Sequence

from featherface.config import ANCHOR_SIZES
from featherface.detection.settings import DetectionSettings
from featherface.robustness.missed_faces import Attempt, Cause, Explanation

__all__ = ["changes_text", "missed_face_text"]

_ANCHORS = [size for sizes in ANCHOR_SIZES for size in sizes]  # pixels


def missed_face_text(name: str, explanation: Explanation, settings: DetectionSettings) -> str:
    """Return why the model called `name` missed the face, and which single changes bring it back."""
    if explanation.cause is Cause.FOUND:
        return f"{name} found this face with a score of {explanation.score:.2f}."
    return f"{_cause_text(name, explanation, settings)} {changes_text(explanation.attempts)}".strip()


def changes_text(tried: Sequence[Attempt]) -> str:
    """Return which of the changes bring the face back; empty where nothing was tried."""
    if not tried:
        return ""
    helped = [attempt for attempt in tried if attempt.found]
    if not helped:
        return "No single change of the photo brings it back."
    best = sorted(helped, key=lambda attempt: -attempt.score)
    return f"It is found {_listed([f'{one.change.name} ({one.score:.2f})' for one in best])}."


def _cause_text(name: str, explanation: Explanation, settings: DetectionSettings) -> str:
    score, size = explanation.score, explanation.network_size
    pixels = f"about {size:.0f} pixels" if size is not None else "of unknown size"
    if explanation.cause is Cause.SUPPRESSED and explanation.rival_iou is not None:
        return (
            f"{name} saw this face with a score of {score:.2f}, but non-maximum suppression removed it: a "
            f"better box overlaps it by an IoU of {explanation.rival_iou:.2f}, and the limit is "
            f"{settings.nms_iou:.2f}."
        )
    if explanation.cause is Cause.BELOW_THRESHOLD:
        advice = _threshold_advice(explanation)
        return (
            f"{name}'s best candidate here scores {score:.2f}, below the threshold of "
            f"{settings.confidence:.2f}{advice}."
        )
    where = f"The face is {pixels} in the network input of {name}"
    if explanation.cause is Cause.TOO_SMALL:
        return f"{where}, too small for its {min(_ANCHORS)}-pixel anchors."
    if explanation.cause is Cause.TOO_LARGE:
        return f"{where}, too large for its {max(_ANCHORS)}-pixel anchors."
    if explanation.cause is Cause.BEYOND_RECEPTIVE_FIELD:
        return f"{where}, more than any of its cells can see."
    if explanation.score:
        return f"{name} has no candidate here that stands out from the background (score {score:.2f})."
    return f"{name} has no candidate here."


def _threshold_advice(explanation: Explanation) -> str:
    if explanation.threshold is not None:
        return f"; a threshold of {explanation.threshold:.2f} shows it"
    return "; a lower threshold does not show it, because a better box overlaps it"


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} or {parts[-1]}"
