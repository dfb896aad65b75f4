"""`python -m featherface evaluate`: what it prints and writes, and what it refuses."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from scipy.io import savemat

from featherface.checkpoints import save_weights
from featherface.cli.main import main
from featherface.evaluation import run as evaluation_run
from featherface.evaluation.curves import load_curves
from featherface.evaluation.paired_bootstrap import load_comparisons
from featherface.models import MODELS

NAMES = ("a", "b")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Two images as a WIDER FACE folder and as a manifest, ground truth for both, and weights of V2."""
    folder = tmp_path_factory.mktemp("evaluate")
    (folder / "images" / "0--Event").mkdir(parents=True)
    records = []
    random = np.random.default_rng(0)
    with zipfile.ZipFile(folder / "dev-party.zip", "w") as archive:
        for name in NAMES:
            path = folder / "images" / "0--Event" / f"{name}.jpg"
            cv2.imwrite(str(path), random.integers(0, 256, (48, 64, 3), np.uint8))
            archive.write(path, f"dev/{name}.jpg")
            record = {"image": f"dev/{name}.jpg", "width": 64, "height": 48, "source": "party"}
            records.append(json.dumps(record | {"boxes": [[10, 8, 30, 28]]}))
    (folder / "dev.jsonl").write_text("\n".join(records))
    write_ground_truth(folder / "truth")
    torch.manual_seed(0)
    save_weights(MODELS["v2"].builder(), MODELS["v2"], folder / "own.safetensors", {})
    return folder


def write_ground_truth(folder: Path) -> None:
    """Write .mat files like the official ones: images a, b and c, with one face each in every list."""
    folder.mkdir()
    names = (*NAMES, "c")
    faces = {
        "event_list": cells([["0--Event"]]),
        "file_list": cells([cells([[name] for name in names])]),
        "face_bbx_list": cells([cells([np.array([[10, 8, 20, 20]])] * len(names))]),
    }
    savemat(folder / "wider_face_val.mat", faces)
    for subset in ("easy", "medium", "hard"):
        kept = {"gt_list": cells([cells([np.array([[1]], np.uint8)] * len(names))])}
        savemat(folder / f"wider_{subset}_val.mat", kept)


def cells(values: list) -> np.ndarray:
    """A MATLAB cell column."""
    column = np.empty((len(values), 1), object)
    for row, value in enumerate(values):
        column[row, 0] = value
    return column


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    status = main(["evaluate", *map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_a_folder_is_predicted_scored_and_continued(folder, tmp_path, capsys):
    predictions, curves = tmp_path / "found.jsonl", tmp_path / "curves.json"
    options = ("--model", "v2", "--weights", f"v2={folder / 'own.safetensors'}", "--workers", 1, "--json")
    options += ("--images", folder / "images", "--ground-truth", folder / "truth")
    status, out, err = run(capsys, *options, "--predictions", predictions, "--curves", curves)
    scores = json.loads(out)["v2"]
    assert (status, scores["images"], set(scores)) == (0, 2, {"easy", "medium", "hard", "images"})
    assert "2 of the 3 images of the WIDER FACE ground truth" in err

    written = predictions.read_text()
    assert {json.loads(line)["image"] for line in written.splitlines()} == {
        "0--Event/a.jpg",
        "0--Event/b.jpg",
    }
    assert run(capsys, *options, "--predictions", predictions)[:2] == (0, out)
    assert predictions.read_text() == written

    status, out, _ = run(
        capsys, "--from-predictions", predictions, "--ground-truth", folder / "truth", "--json"
    )
    assert (status, json.loads(out)) == (0, scores)
    (saved,) = load_curves(curves)
    assert (saved.model, saved.image_set, saved.evaluation.scores()["hard"]) == (
        "v2",
        "images",
        scores["hard"],
    )


def test_a_manifest_is_scored_by_face_height(folder, tmp_path, capsys):
    found = tmp_path / "found.jsonl"
    lines = [{"image": f"dev/{name}.jpg", "boxes": [[10, 8, 30, 28]], "scores": [0.9]} for name in NAMES]
    found.write_text("".join(json.dumps(line) + "\n" for line in lines))
    options = ("--from-predictions", found, "--manifest", folder / "dev.jsonl")
    bands = {"under 16 px": None, "32-96 px": None, "over 96 px": None}
    expected = {"all": 1.0, "16-32 px": 1.0, "images": 2} | bands
    assert json.loads(run(capsys, *options, "--json")[1]) == expected
    printed = run(capsys, *options)[1]
    assert "16-32 px      1.0000        2 faces  Only 2 images with faces" in printed


def test_two_models_are_compared_on_the_same_images(folder, tmp_path, capsys):
    v1, v2 = (tmp_path / f"{key}.pth" for key in ("v1", "v2"))
    for key, path in (("v1", v1), ("v2", v2)):
        torch.save(MODELS[key].builder().state_dict(), path)
    saved = tmp_path / "comparison.json"
    options = ("--manifest", folder / "dev.jsonl", "--weights", f"v1={v1}", "--weights", f"v2={v2}")
    options += ("--workers", 1, "--comparison", saved, "--used-for-selection", "--image-set", "Parties")
    status, out, _ = run(capsys, *options)
    assert status == 0
    (found,) = load_comparisons(saved)
    assert (found.models, found.comparison.images) == (("v1", "v2"), 2)
    assert (found.image_set, found.used_for_selection) == ("Parties", True)
    assert f"V2 minus V1: {found.comparison.mean.difference:+.4f}" in out


def test_ctrl_c_keeps_the_models_that_are_finished(folder, tmp_path, monkeypatch, capsys):
    for key in ("v1", "v2"):
        torch.save(MODELS[key].builder().state_dict(), tmp_path / f"{key}.pth")
    predict = evaluation_run.predict_images

    def stopped_at_the_second(*arguments, **options):
        monkeypatch.setattr(evaluation_run, "predict_images", interrupt)
        return predict(*arguments, **options)

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluation_run, "predict_images", stopped_at_the_second)
    options = [f"--weights={key}={tmp_path / key}.pth" for key in ("v1", "v2")]
    status, out, err = run(capsys, "--manifest", folder / "dev.jsonl", *options, "--workers", 1, "--json")
    assert status == 130
    assert list(json.loads(out)) == ["v1"]
    assert "Stopped after 1 finished models." in err


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ((), "Pass --images, --manifest or --from-predictions."),
        (("--images", "images"), "needs --ground-truth to score, or --predictions"),
        (("--images", "images", "--manifest", "dev.jsonl"), "not both"),
        (
            ("--images", "images", "--predictions", "p", "--source", "party"),
            "--source needs --manifest",
        ),
        (("--images", "images", "--predictions", "p", "--curves", "c"), "need --ground-truth or --manifest"),
        (("--manifest", "dev.jsonl", "--model", "v1", "--comparison", "c"), "--comparison needs --model all"),
        (("--manifest", "dev.jsonl", "--used-for-selection"), "need --curves or --comparison"),
        (("--from-predictions", "p"), "needs --ground-truth or --manifest"),
        (("--from-predictions", "p", "--ground-truth", "truth", "--curves", "c"), "or --manifest only"),
        (("--from-predictions", "absent", "--ground-truth", "truth"), "absent"),
        (("--images", "images", "--ground-truth", "absent"), "wider_face_val.mat"),
        (("--images", "absent", "--ground-truth", "truth"), "absent"),
        (("--manifest", "dev.jsonl", "--source", "park"), "its sources are: party"),
        (("--manifest", "dev.jsonl", "--ground-truth", "truth"), "dev/a.jpg"),
        (("--manifest", "dev.jsonl", "--workers", "0"), "--workers must be at least 1"),
        (("--manifest", "dev.jsonl", "--model", "v3"), "no model 'v3'"),
        (("--manifest", "dev.jsonl", "--size", "9"), "input size must be between"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(folder, monkeypatch, capsys, options, complaint):
    monkeypatch.chdir(folder)
    status, out, err = run(capsys, *options)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert complaint in err
