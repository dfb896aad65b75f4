"""`python -m featherface stress`: what it prints, writes and resumes, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from featherface.checkpoints import save_weights
from featherface.cli.main import main
from featherface.models import MODELS
from featherface.robustness.robustness_results import load_stress
from tests.cli.test_evaluate_command import NAMES, write_ground_truth


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images as a WIDER FACE folder, ground truth, and weights of V2."""
    folder = tmp_path_factory.mktemp("stress")
    (folder / "images" / "0--Event").mkdir(parents=True)
    random = np.random.default_rng(0)
    for name in NAMES:
        noise = random.integers(0, 256, (48, 64, 3), np.uint8)
        cv2.imwrite(str(folder / "images" / "0--Event" / f"{name}.jpg"), noise)
    write_ground_truth(folder / "truth")
    torch.manual_seed(0)
    save_weights(MODELS["v2"].builder(), MODELS["v2"], folder / "own.safetensors", {})
    return folder


def test_results_are_printed_saved_and_resumed(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predictions, out = tmp_path / "found.jsonl", tmp_path / "stress.json"
    options = ["stress", "--model", "v2", "--weights", f"v2={folder / 'own.safetensors'}", "--workers", "1"]
    options += ["--images", str(folder / "images"), "--ground-truth", str(folder / "truth"), "--json"]
    options += ["--corruption", "jpeg", "--corruption", "eyes", "--severities", "5,1"]
    options += ["--predictions", str(predictions), "--out", str(out), "--used-for-selection"]
    assert main(options) == 0
    shown = json.loads(capsys.readouterr().out)["v2"]
    assert shown["images"] == 2
    assert set(shown["mpc"]) == {"easy", "medium", "hard", "mean"}
    written = predictions.read_text()
    assert len(written.splitlines()) == 2 * (1 + 2 * 2)

    (saved,) = load_stress(out)
    assert (saved.model, saved.image_set, saved.used_for_selection) == ("v2", "images", True)
    assert saved.robustness.corruptions == ("jpeg", "eyes")
    assert saved.robustness.severities == (1, 5)

    assert main(options) == 0
    assert json.loads(capsys.readouterr().out)["v2"] == shown
    assert predictions.read_text() == written


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--images", "images"], "--ground-truth"),
        (["--ground-truth", "truth"], "either --images or --manifest"),
        (["--images", "i", "--manifest", "m", "--ground-truth", "truth"], "either --images or --manifest"),
        (["--images", "images", "--source", "s", "--ground-truth", "truth"], "--source needs --manifest"),
        (["--images", "images", "--ground-truth", "truth", "--corruption", "fog"], "no corruption 'fog'"),
        (["--images", "images", "--ground-truth", "truth", "--severities", "0,6"], "severities from 1 to 5"),
        (["--images", "images", "--ground-truth", "truth", "--workers", "0"], "--workers must be"),
        (["--images", "images", "--ground-truth", "absent"], "wider_face_val.mat"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    complaint: str,
) -> None:
    monkeypatch.chdir(folder)
    assert main(["stress", *options]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert complaint in captured.err
