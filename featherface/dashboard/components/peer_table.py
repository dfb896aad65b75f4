"""Published results of lightweight detectors and our own measurements as one table."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from featherface.evaluation.curves import SavedCurves
from featherface.models import MODELS
from featherface.profiling.complexity import VGA, cost
from featherface.reporting.evaluation_runs import Run
from featherface.reporting.wording import images_text
from featherface.study.peers import PUBLISHED_IMAGES, Peer, peers
from featherface.study.results import accuracy, input_words

__all__ = ["images_note", "parameters_note", "peer_table", "source_table"]


def peer_table(official: Iterable[Run], axis: str, measure: str) -> pd.DataFrame:
    """Return name, protocol, x, precision (%), note and model (empty for peers) of each detector.

    official: our own runs with the subsets easy, medium and hard. axis: "parameters" or "operations" for x,
    NaN where a source states none. measure: "easy", "medium", "hard" or "mean".
    """
    rows = [_peer_row(peer, axis, measure) for peer in peers()]
    rows += [_own_row(key, run.results[key], axis, measure) for run in official for key in run.results]
    return pd.DataFrame(rows).astype({"x": float})


def images_note(official: Iterable[Run]) -> str:
    """Say where our own runs are on other images than the published results; empty where they are not."""
    others = dict.fromkeys(
        f"{images_text(run.first.evaluation.images)} ({run.first.image_set})"
        for run in official
        if run.first.evaluation.images != PUBLISHED_IMAGES
    )
    if not others:
        return ""
    return (
        f"Published results are on all {images_text(PUBLISHED_IMAGES)} of WIDER FACE val, ours on "
        f"{'; '.join(others)}. Compare our points with each other; a difference to a published point may "
        "come from the images."
    )


def parameters_note() -> str:
    """Say where a source states another number of parameters than the network here has."""
    pairs = [(peer, cost(peer.model, *VGA).parameters) for peer in peers() if peer.model in MODELS]
    return " ".join(
        f"{peer.name}: the paper states {peer.parameters:,} parameters. {MODELS[peer.model].short_name} "
        f"here, into which the published checkpoint loads unchanged, has {counted:,} (counted)."
        for peer, counted in pairs
        if peer.parameters not in (None, counted)
    )


def source_table() -> pd.DataFrame:
    """Return all published numbers with protocol and source."""
    return pd.DataFrame(
        [
            {
                "Detector": peer.name,
                "Protocol": peer.protocol,
                "Easy": peer.easy,
                "Medium": peer.medium,
                "Hard": peer.hard,
                "Parameters": peer.parameters,
                "Operations": _operations(peer),
                "Source": peer.source,
                "Link": peer.link,
            }
            for peer in peers()
        ]
    )


def _peer_row(peer: Peer, axis: str, measure: str) -> dict[str, object]:
    scores = {"easy": peer.easy, "medium": peer.medium, "hard": peer.hard}
    scores["mean"] = sum(scores.values()) / 3
    operations = peer.operations.value if peer.operations else None
    return {
        "name": peer.name,
        "protocol": peer.protocol,
        "x": peer.parameters if axis == "parameters" else operations,
        "precision": scores[measure],
        "note": f"{_operations(peer) or 'operations not stated'}; {peer.source}",
        "model": "",
    }


def _own_row(key: str, saved: SavedCurves, axis: str, measure: str) -> dict[str, object]:
    counted, found = cost(key, *VGA), accuracy(saved)
    if found is None:
        raise ValueError(f"{saved.image_set} lacks one of the subsets easy, medium and hard.")
    return {
        "name": f"{MODELS[key].short_name}, measured",
        "protocol": input_words(saved),
        "x": counted.parameters if axis == "parameters" else counted.macs,
        "precision": 100 * getattr(found, measure),
        "note": f"{counted.macs / 1e9:.3f} GMACs at 640 × 480; {saved.image_set}, {found.images:,} images",
        "model": key,
    }


def _operations(peer: Peer) -> str:
    return f"{peer.operations.printed} at {peer.operations.input}" if peer.operations else ""
