"""The folder for a borrowed accelerator, rehearsed on the CPU."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import pytest
import torch

from featherface.checkpoints import inspect_checkpoint, load_network, save_weights
from featherface.evaluation.manifest import read_manifest
from featherface.models import MODELS
from featherface.training.accelerator import main, pack, train, unpack
from featherface.training.recipe import RecipeError

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
steps = 50
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


def test_packed_parts_keep_to_their_limit_and_train_fifty_steps(recipe, tmp_path, caplog):
    folder = tmp_path / "folder"
    weights = sum(path.stat().st_size for path in tmp_path.glob("*.safetensors"))
    limit = weights + 2**18
    assert pack([recipe], folder, parts=2, limit=limit) <= 2 * limit
    for part in folder.glob("part-*"):
        assert sum(path.stat().st_size for path in part.iterdir()) <= limit
    records = read_manifest(unpack(folder))
    assert {record.source for record in records} == {"scenes", "portraits", "blank"}

    with caplog.at_level(logging.INFO):
        (made,) = train(folder, [recipe.name])
    assert "Step 40 of 50" in caplog.text
    assert "images/s" in caplog.text
    trained, start = (load_network(MODELS["v2"], path) for path in (made, tmp_path / "start.safetensors"))
    assert any(
        not torch.equal(tensor, start.state_dict()[name]) for name, tensor in trained.state_dict().items()
    )


def test_images_without_space_are_left_out_and_a_part_that_is_missing_is_not_needed(recipe, tmp_path):
    weights = sum(path.stat().st_size for path in tmp_path.glob("*.safetensors"))
    pack([recipe], tmp_path / "little", limit=weights + 2**18)
    assert 0 < len(read_manifest(unpack(tmp_path / "little"))) < 24
    pack([recipe], tmp_path / "folder", parts=2)
    shutil.rmtree(tmp_path / "folder" / "part-2")
    assert 0 < len(read_manifest(unpack(tmp_path / "folder"))) < 24


def test_a_run_of_minutes_ends_by_the_clock(recipe, tmp_path):
    pack([recipe], tmp_path / "folder")
    unpack(tmp_path / "folder")
    (made,) = train(tmp_path / "folder", [recipe.name], minutes=2e-3)
    steps = json.loads(made.with_suffix(".json").read_text())["provenance"]["steps"]
    assert 0 < steps < 50


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("batch = 1", "batch = 2"), ("mended_score = 0.9", "mended_score = 0.8")],
    ids=["other images", "other corrections"],
)
def test_recipes_that_differ_in_what_is_taught_cannot_be_trained_together(recipe, tmp_path, ours, theirs):
    other = tmp_path / "other.toml"
    other.write_text(recipe.read_text().replace(ours, theirs))
    pack([recipe, other], tmp_path / "folder")
    unpack(tmp_path / "folder")
    with pytest.raises(RecipeError, match="must be as in"):
        train(tmp_path / "folder", [recipe.name, other.name])


def test_two_recipes_train_in_one_run(recipe, tmp_path):
    text = recipe.read_text().replace('"v2"', '"v1"').replace("start.", "teacher.")
    (tmp_path / "other.toml").write_text(text)
    pack([recipe, tmp_path / "other.toml"], tmp_path / "folder")
    unpack(tmp_path / "folder")
    made = train(tmp_path / "folder", [recipe.name, "other.toml"], minutes=1e-4)
    assert [inspect_checkpoint(path).key for path in made] == ["v2", "v1"]


def test_a_missing_folder_is_one_sentence(tmp_path, capsys):
    assert main(["train", str(tmp_path / "missing"), "recipe.toml"]) == 2
    assert "cannot be read" in capsys.readouterr().err
