"""Results on close-ups and images without faces: the shipped file is read, a malformed one is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from featherface.config import WEIGHTS_DIR
from featherface.detection.preprocess import Resize
from featherface.evaluation.hard_case_results import HardCasesError, load_hard_cases

SHIPPED = WEIGHTS_DIR / "evaluation" / "hard_cases" / "hard_cases.json"


def test_the_shipped_file_is_read() -> None:
    for row, saved in zip(json.loads(SHIPPED.read_text()), load_hard_cases(SHIPPED), strict=True):
        assert (saved.model, saved.weights_sha256) == (row["model"], row["weights_sha256"])
        assert set(saved.by_resize) == {Resize.ORIGINAL, Resize.FIT}
        for mode, cases in saved.by_resize.items():
            assert cases.found == row[mode]["close_ups"]["found"]
            assert cases.photos.per_image == pytest.approx(
                row[mode]["photos_without_faces"]["per_image"], abs=1e-4
            )
            assert cases.textures.per_image == pytest.approx(row[mode]["textures"]["per_image"], abs=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda row: row.pop("weights_sha256"), "lacks the field 'weights_sha256'", id="field"),
        pytest.param(lambda row: row.update(confidence="0.5"), "not a number from 0 to 1", id="text"),
        pytest.param(lambda row: row["fit"]["close_ups"].update(found=26), "more close-ups", id="found"),
        pytest.param(lambda row: row["fit"]["textures"].update(images=0), "more images", id="images"),
        pytest.param(
            lambda row: row["fit"]["textures"].update(detections=-1), "-1 is not a count", id="sign"
        ),
        pytest.param(lambda row: [row.pop(mode) for mode in ("fit", "original")], "no result", id="none"),
    ],
)
def test_malformed_results_are_refused(tmp_path: Path, change, message: str) -> None:
    rows = json.loads(SHIPPED.read_text())
    change(rows[0])
    path = tmp_path / "hard_cases.json"
    path.write_text(json.dumps(rows))
    with pytest.raises(HardCasesError, match=message):
        load_hard_cases(path)


@pytest.mark.parametrize("data", [b"", b"{}x", b"[3]", b'"text"', b"[" * 100_000])
def test_what_is_no_result_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "hard_cases.json"
    path.write_bytes(data)
    with pytest.raises(HardCasesError):
        load_hard_cases(path)
