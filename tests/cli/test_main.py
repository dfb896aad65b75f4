from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from featherface.checkpoints.files import save_weights
from featherface.cli.main import main
from featherface.detection.preprocess import Resize
from featherface.models import MODELS
from featherface.profiling.latency import LatencySettings
from featherface.serving import model_service as service

COUNTS = {
    "v1": {
        "total": 592_371,
        "groups": {"Backbone": 213_072, "CBAM": 13_568, "BiFPN": 112_606, "SSH": 246_885, "Heads": 6_240},
    },
    "v2": {
        "total": 256_156,
        "groups": {"Backbone": 213_072, "CBAM": 6_600, "BiFPN": 26_068, "SSH": 7_248, "Heads": 3_168},
    },
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A folder with weights for V2 (random ones, which find plenty) and none for V1."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    save_weights(MODELS["v2"].builder(), MODELS["v2"], folder / MODELS["v2"].weights, {})
    return folder


@pytest.fixture(autouse=True)
def weights_folder(trained, monkeypatch) -> None:
    monkeypatch.setattr(service, "ModelService", partial(service.ModelService, trained))


def write_photo(path: Path, width: int = 64, height: int = 48) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_params_as_a_program():
    done = subprocess.run(
        [sys.executable, "-m", "featherface", "params", "--json"], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == COUNTS
    assert done.stderr == ""


@pytest.mark.parametrize("model", COUNTS)
def test_params_of_one_model(model, capsys):
    assert main(["params", "--model", model, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {model: COUNTS[model]}
    assert main(["params", "--model", model]) == 0
    assert f"{COUNTS[model]['total']:,} parameters" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["params", "detect"])
def test_help(command, capsys):
    assert main([command, "--help"]) == 0
    assert "--json" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param([], "required: COMMAND", id="no command"),
        pytest.param(["parmas"], "invalid choice: 'parmas'", id="unknown command"),
        pytest.param(
            ["params", "--bogus\nline"], "unrecognized arguments: --bogus line", id="unknown option"
        ),
        pytest.param(["params", "--model", "v9"], "choose v1, v2 or all", id="unknown model"),
        pytest.param(["detect"], "required: PHOTO", id="no photo"),
        pytest.param(
            ["detect", "a.png", "--model", "v9"], "choose v1, v2 or both", id="unknown model to run"
        ),
        pytest.param(["detect", "a.png", "--conf", "0.01"], "between 0.02 and 0.99", id="confidence"),
        pytest.param(["detect", "a.png", "--conf", "nan"], "between 0.02 and 0.99", id="not a number"),
        pytest.param(["detect", "a.png", "--conf", "high"], "invalid float value: 'high'", id="no number"),
        pytest.param(["detect", "a.png", "--nms", "0.95"], "between 0.1 and 0.9", id="NMS"),
        pytest.param(["detect", "a.png", "--size", "64"], "between 128 and 1920", id="size"),
        pytest.param(["detect", "a.png", "--top-k", "0"], "at least 1", id="top-k"),
        pytest.param(["detect", "a.png", "--resize", "crop"], "invalid choice: 'crop'", id="resize"),
        pytest.param(["detect", "a.png", "--weights", "v1"], "form v1=FILE", id="weights without a file"),
        pytest.param(["detect", "a.png", "--model", "v2", "--weights", "v1=x.pth"], "names v1", id="unused"),
        pytest.param(["detect", "a.png", "--weights", "v1=x.pth"], "no file x.pth", id="absent weights"),
        pytest.param(["detect", "a.png"], "V1 has no trained weights yet", id="untrained"),
        pytest.param(["detect", "a.png", "--model", "v2"], "a.png cannot be read", id="absent photo"),
    ],
)
def test_a_mistake_is_one_line_on_stderr_and_status_2(arguments, message, capsys):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.startswith("featherface: ")
    assert err.count("\n") == 1


def test_detect_prints_boxes_landmarks_and_stages(tmp_path, capsys):
    photo = write_photo(tmp_path / "a.png")
    assert main(["detect", str(photo), "--model", "v2", "--size", "128", "--top-k", "3", "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    result = json.loads(out)
    assert result["settings"] == {
        "confidence": 0.5,
        "nms_iou": 0.4,
        "top_k": 3,
        "resize": "fit",
        "side": 128,
    }
    assert (result["weights"]["v2"]["source"], len(result["weights"]["v2"]["sha256"])) == ("shipped", 64)
    (entry,) = result["photos"]
    assert (entry["photo"], entry["width"], entry["height"]) == (str(photo), 64, 48)
    faces = entry["models"]["v2"]
    assert [len(faces[name]) for name in ("boxes", "scores", "landmarks")] == [3, 3, 3]
    assert (len(faces["boxes"][0]), len(faces["landmarks"][0])) == (4, 10)
    assert list(faces["milliseconds"]) == ["decode", "preprocess", "network", "postprocess"]


def test_detect_with_the_published_checkpoint(shared, tmp_path, capsys):
    photo = str(shared / "reference" / "astronaut.png")
    v1 = f"v1={shared / 'checkpoints' / 'featherface_v1_published.pth'}"
    v2 = f"v2={shared / 'reference' / 'v2_seeded.pth'}"
    saved = tmp_path / "new" / "folder"
    options = ["--weights", v1, "--weights", v2, "--save-dir", str(saved), "--json"]
    assert main(["detect", photo, *options]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["weights"]["v1"]["source"] == "user"
    (entry,) = result["photos"]
    np.testing.assert_allclose(entry["models"]["v1"]["boxes"], [[179, 50, 270, 177]], atol=2)
    with Image.open(entry["saved"]) as pair:
        assert pair.size == (2 * entry["width"], entry["height"])


def test_detect_goes_on_past_bad_files(tmp_path, capsys):
    write_photo(tmp_path / "a.png")
    (tmp_path / "b.jpg").write_text("not a picture")
    (tmp_path / "c.heic").write_bytes(b"0" * 100)
    write_photo(tmp_path / "d.webp")
    (tmp_path / "notes.txt").write_text("passed over")
    arguments = ["detect", str(tmp_path), "--model", "v2", "--size", "128"]

    assert main([*arguments, "--json"]) == 2
    out, err = capsys.readouterr()
    photos = json.loads(out)["photos"]
    assert [Path(entry["photo"]).name for entry in photos] == ["a.png", "b.jpg", "c.heic", "d.webp"]
    assert ["error" in entry for entry in photos] == [False, True, True, False]
    assert "4/4" in err  # the progress bar
    assert err.count("featherface: ") == 2

    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert [line.split(": v2 faces: ")[0] for line in out.splitlines()] == [
        str(tmp_path / "a.png"),
        str(tmp_path / "d.webp"),
    ]


def test_detect_in_a_folder_without_pictures(tmp_path, capsys):
    assert main(["detect", str(tmp_path), "--model", "v2"]) == 2
    assert "holds no pictures" in capsys.readouterr().err


def test_photos_of_one_name_are_saved_under_two(tmp_path, capsys):
    (tmp_path / "x").mkdir()
    photos = [str(write_photo(tmp_path / "a.png")), str(write_photo(tmp_path / "x" / "a.png"))]
    options = ["--model", "v2", "--size", "128", "--top-k", "1", "--save-dir", str(tmp_path / "out")]
    for _ in range(2):  # a second run replaces the files of the first
        assert main(["detect", *photos, *options]) == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["a.v2.2.jpeg", "a.v2.jpeg"]


def test_a_pair_too_wide_for_jpeg_is_a_png(tmp_path, trained, capsys):
    photo = write_photo(tmp_path / "wide.png", width=33_000, height=8)
    v2 = f"v2={trained / MODELS['v2'].weights}"
    torch.save(MODELS["v1"].builder().state_dict(), tmp_path / "v1.pth")
    options = ["--weights", v2, "--weights", f"v1={tmp_path / 'v1.pth'}", "--size", "128", "--top-k", "1"]
    assert main(["detect", str(photo), *options, "--save-dir", str(tmp_path / "out")]) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["wide.v1-v2.png"]


def test_a_save_dir_that_cannot_be_made_is_named(tmp_path, capsys):
    photo = write_photo(tmp_path / "a.png")
    assert main(["detect", str(photo), "--model", "v2", "--save-dir", str(photo)]) == 2
    assert capsys.readouterr().err == f"featherface: {photo}: File exists\n"


def test_an_error_without_a_name_of_ours_is_not_hidden(monkeypatch):
    def broken(*_: object) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr("featherface.profiling.parameters.group_counts", broken)
    with pytest.raises(ValueError, match="a bug"):
        main(["params"])


def test_the_help_offers_every_resize_mode(capsys):
    main(["detect", "--help"])
    assert f"{{{','.join(Resize)}}}" in capsys.readouterr().out


def test_flops(capsys):
    assert main(["flops", "--size", "64", "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)
    assert counts["v1"]["macs"] > counts["v1"]["counter_macs"] > counts["v1"]["thop_macs"]
    assert counts["v2"]["macs"] == counts["v2"]["thop_macs"]
    assert main(["flops", "--size", "64", "--model", "v1"]) == 0
    assert "bilinear sampling" in capsys.readouterr().out


def test_bench(capsys):
    options = ["bench", "--sizes", "32", "64", "--runs", "2", "--warmup", "0"]
    assert main([*options, "--json"]) == 0
    points = json.loads(capsys.readouterr().out)["points"]
    assert [point["settings"]["width"] for point in points] == [32, 64]
    assert all(point["summary"].keys() == MODELS.keys() and point["complete"] for point in points)
    assert main(options) == 0
    assert "times as fast" in capsys.readouterr().out


def test_study(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        "featherface.study.summary.rounds", lambda *_, **__: LatencySettings(64, 64, runs=2, warmup=0)
    )
    out = tmp_path / "results" / "study"
    assert main(["study", "--out", str(out), "--quick", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((out / "comparison_summary.json").read_text())
    assert main(["study", "--out", str(out), "--quick"]) == 0
    assert "56.7% reduction" in capsys.readouterr().out
