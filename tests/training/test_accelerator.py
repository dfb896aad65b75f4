"""The folder for a borrowed accelerator, rehearsed on the CPU."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

from featherface.checkpoints import load_network, save_weights
from featherface.evaluation.manifest import read_manifest
from featherface.models import MODELS
from featherface.training import accelerator
from featherface.training.accelerator import main, pack, train

RECIPE = """
model = "v2"
output = "unused"
start = "start.safetensors"
teacher = "teacher.safetensors"
[data]
manifest = "{manifest}"
size = 32
batch = 1
workers = 0
complete = ["blank"]
[data.composites]
scenes = {{scenes = 1.0}}
portraits = {{portraits = 1.0}}
backgrounds = {{blank = 1.0}}
background_share = 0.2
most_scenes = 1
most_portraits = 1
[optimiser]
steps = 1
frozen_batch_norm = ["*"]
pool = 5
repeats = 2
[detector]
labels = 0.0
distillation = 1.0
mended_score = 0.9
per_image = true
"""


@pytest.fixture
def recipe(manifest: Path, tmp_path: Path) -> Path:
    torch.manual_seed(0)
    for key, name in (("v2", "start"), ("v1", "teacher")):
        save_weights(MODELS[key].builder(), MODELS[key], tmp_path / f"{name}.safetensors", {})
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE.format(manifest=manifest))
    return path


def test_a_packed_folder_keeps_to_its_limit_and_trains_fifty_steps(recipe, tmp_path, caplog):
    folder = tmp_path / "folder"
    weights = sum(path.stat().st_size for path in tmp_path.glob("*.safetensors"))
    limit = weights + 2**18
    assert pack(recipe, folder, limit) <= limit
    records = read_manifest(folder / "train.jsonl")
    assert {record.source for record in records} == {"scenes", "portraits", "blank"}
    assert len(records) < 24  # not all of them fit

    with caplog.at_level(logging.INFO):
        made = train(folder, steps=50)
    assert "Step 40 of 50" in caplog.text
    assert "images/s" in caplog.text
    trained, start = (load_network(MODELS["v2"], path) for path in (made, tmp_path / "start.safetensors"))
    assert any(
        not torch.equal(tensor, start.state_dict()[name]) for name, tensor in trained.state_dict().items()
    )


def test_the_number_of_steps_follows_from_the_speed(recipe, tmp_path, monkeypatch):
    class MeasuredTrainer:
        images_per_second = 30.0
        runs: list[tuple[str, int]] = []  # noqa: RUF012

        def __init__(self, recipe):
            self.runs.append((recipe.output.name, recipe.optimiser.steps))

        def run(self):
            pass

    monkeypatch.setattr(accelerator, "Trainer", MeasuredTrainer)
    pack(recipe, tmp_path / "folder")
    train(tmp_path / "folder", minutes=2)
    assert MeasuredTrainer.runs == [("speed", 60), ("run", 3600)]


def test_a_missing_folder_is_one_sentence(tmp_path, capsys):
    assert main(["train", str(tmp_path / "missing")]) == 2
    assert "cannot be read" in capsys.readouterr().err
