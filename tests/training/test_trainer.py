"""The loop: it learns, resumes exactly, and loses nothing to bad luck."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from featherface.checkpoints import load_network, save_weights
from featherface.models import MODELS, FaceNetwork
from featherface.training import trainer as trainer_module
from featherface.training.batches import Batch
from featherface.training.composites import CompositeSettings
from featherface.training.image_store import ImageStore
from featherface.training.recipe import (
    BlockSettings,
    DataSettings,
    DetectorSettings,
    OptimiserSettings,
    PruningSettings,
    Recipe,
    RecipeError,
    read_recipe,
)
from featherface.training.run_state import RunStateError, load_run_state, save_run_states
from featherface.training.teacher import Answer, Teacher
from featherface.training.trainer import DivergedError, Trainer, train_together

RECIPES = Path(trainer_module.__file__).parent / "recipes"
ROOT = RECIPES.parents[2]


@pytest.fixture
def settings(manifest: Path, tmp_path: Path) -> Recipe:
    """A few steps of V2 on the labels of the tiny images."""
    recipe = CompositeSettings({"scenes": 1.0}, {"portraits": 1.0}, most_scenes=1, most_portraits=2)
    return Recipe(
        model="v2",
        output=tmp_path / "run",
        data=DataSettings(manifest=manifest, composites=recipe, size=32, batch=2, workers=0),
        optimiser=OptimiserSettings(steps=6, learning_rate=1e-3, ema_decay=0.5, pool=2, repeats=2),
        detector=DetectorSettings(mixup_alpha=0.2, cutmix=0.5, dropblock=0.1),
        save_seconds=1e9,
    )


def test_a_stopped_run_goes_on_as_if_it_had_not_been(settings, tmp_path):
    straight = Trainer(settings)
    straight.run()

    stopped = replace(settings, output=tmp_path / "stopped", save_seconds=0)
    killed = Trainer(stopped)

    def kill(objective: nn.Module, batch: tuple[object]) -> None:
        if killed.step == 3:  # in the middle of a pool's second round
            raise KeyboardInterrupt

    killed.objective.register_forward_pre_hook(kill)
    with pytest.raises(KeyboardInterrupt):
        killed.run()
    resumed = Trainer(stopped)
    assert resumed.step == 3
    resumed.run()

    for name, tensor in straight.average.state_dict().items():
        assert torch.equal(tensor, resumed.average.state_dict()[name]), name
    kept = load_network(MODELS["v2"], tmp_path / "stopped" / "best.safetensors")
    assert torch.equal(
        kept.state_dict()["bifpn.0.p4_w1"], resumed.average.module.state_dict()["bifpn.0.p4_w1"]
    )


@pytest.mark.parametrize("of", ["weights", "channels"])
def test_what_was_pruned_stays_zero_and_the_record_says_so(settings, of):
    trainer = Trainer(replace(settings, pruning=PruningSettings(0.3, of)))
    zeros = {name: mask == 0 for name, mask in trainer.masks.items()}
    trainer.run()

    path = settings.output / "last.safetensors"
    state = load_network(MODELS["v2"], path).state_dict()
    assert zeros
    for name, zero in zeros.items():
        assert not state[name][zero].any(), name
    assert json.loads(path.with_suffix(".json").read_text())["provenance"]["pruning"] == {
        "share": 0.3,
        "of": of,
    }


def test_twenty_steps_overfit_a_few_faces(settings):
    torch.manual_seed(0)
    plain = replace(
        settings,
        optimiser=OptimiserSettings(steps=20, learning_rate=1e-2, ema_decay=0.5, pool=1, repeats=20),
        detector=DetectorSettings(),
    )
    trainer, losses = Trainer(plain), []
    trainer.objective.register_forward_hook(lambda *call: losses.append(sum(call[-1].values()).item()))
    trainer.run()
    assert losses[-1] < losses[0] / 2


def test_teacher_hints_and_blocks_train_too(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer_module, "LOG_STEPS", 2)
    torch.manual_seed(0)
    teacher = save_weights(MODELS["v1"].builder(), MODELS["v1"], tmp_path / "teacher.safetensors", {}).path
    distilled = replace(
        settings,
        teacher=teacher,
        detector=DetectorSettings(labels=0.0, distillation=0.7, hints=0.1),
        optimiser=replace(settings.optimiser, steps=2),
    )
    Trainer(distilled).run()
    blocks = replace(
        settings,
        output=tmp_path / "blocks",
        teacher=teacher,
        detector=None,
        blocks=BlockSettings(local=("body.stage*.*",), window=4, calibration=2),
        optimiser=replace(settings.optimiser, steps=2, frozen_batch_norm=("*",)),
    )
    Trainer(blocks).run()
    (row,) = csv.DictReader((tmp_path / "blocks" / "log.csv").read_text().splitlines())
    assert {"step", "learning_rate", "mean", "body.stage1.0"} <= row.keys()


class CountingTeacher(Teacher):
    """A teacher that notes for which batches it runs its network."""

    def __init__(self, network: FaceNetwork, settings: DetectorSettings) -> None:
        super().__init__(network, settings)
        self.asked: list[Batch] = []

    def answer(self, batch: Batch) -> Answer:
        self.asked.append(batch)
        return super().answer(batch)


def test_a_pool_is_gone_through_as_often_as_asked_and_taught_once(settings):
    pooled = replace(
        settings,
        teacher=Path("the one given"),
        detector=DetectorSettings(labels=0.0, distillation=1.0),
        optimiser=OptimiserSettings(steps=12, pool=3, repeats=2),
    )
    teacher, seen = CountingTeacher(MODELS["v1"].builder(), pooled.detector), []
    trainer = Trainer(pooled, teacher)
    trainer.objective.register_forward_pre_hook(lambda _, batch: seen.extend(batch))
    trainer.run()
    first, second = seen[:6], seen[6:]
    assert set(first[3:]) == set(first[:3])
    assert set(second[3:]) == set(second[:3])
    assert not set(first) & set(second)
    assert len(teacher.asked) == 6


def test_two_students_see_the_same_batches_and_share_a_teacher(settings, tmp_path):
    distilled = replace(
        settings,
        teacher=Path("the one given"),
        detector=DetectorSettings(labels=0.0, distillation=1.0),
        optimiser=OptimiserSettings(steps=3),
    )
    teacher = CountingTeacher(MODELS["v1"].builder(), distilled.detector)
    trainers = [
        Trainer(replace(distilled, model=key, output=tmp_path / key), teacher) for key in ("v2", "v1")
    ]
    seen: list[list[Batch]] = [[], []]
    for trainer, mine in zip(trainers, seen, strict=True):
        trainer.objective.register_forward_pre_hook(lambda _, batch, mine=mine: mine.extend(batch))
    train_together(trainers)
    assert seen[0] == seen[1] == teacher.asked
    assert [trainer.step for trainer in trainers] == [3, 3]
    for key in ("v2", "v1"):
        load_network(MODELS[key], tmp_path / key / "last.safetensors")


def test_students_that_learn_together_resume_exactly(settings, tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(
        trainer_module, "ImageStore", lambda *arguments: made.append(ImageStore(*arguments)) or made[-1]
    )

    def together(name: str, save_seconds: float) -> list[Trainer]:
        short = replace(settings, save_seconds=save_seconds, optimiser=OptimiserSettings(steps=3))
        trainers = [Trainer(replace(short, output=tmp_path / name / part)) for part in "ab"]
        trainers[1].saved_at = float("inf")  # its own clock does not count
        return trainers

    straight = together("straight", 1e9)
    train_together(straight)
    killed = together("stopped", 0)

    def kill(objective: nn.Module, batch: tuple[object]) -> None:
        if killed[1].step == 1:  # when the first has learnt from the second batch and the second has not
            raise KeyboardInterrupt

    killed[1].objective.register_forward_pre_hook(kill)
    with pytest.raises(KeyboardInterrupt):
        train_together(killed)
    resumed = together("stopped", 0)
    assert [trainer.step for trainer in resumed] == [1, 1]
    train_together(resumed)

    for expected, trainer in zip(straight, resumed, strict=True):
        for name, tensor in expected.average.state_dict().items():
            assert torch.equal(tensor, trainer.average.state_dict()[name]), name
    assert len(made) == 3  # once per run, not per student


def test_students_at_different_steps_are_not_trained_together(settings, tmp_path):
    recipes = [replace(settings, output=tmp_path / name) for name in ("ahead", "behind")]
    trainer = Trainer(recipes[0])
    save_run_states({trainer.state_path: trainer.state() | {"step": 3}})
    with pytest.raises(
        RunStateError, match=r"ahead/last\.pt is at step 3, but .*behind/last\.pt is at step 0"
    ):
        train_together([Trainer(recipe) for recipe in recipes])


def test_several_processes_do_not_decay_the_learning_rate_by_clocks_of_their_own(settings, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    timed = replace(settings, optimiser=replace(settings.optimiser, minutes=1.0))
    with pytest.raises(RecipeError, match="2 processes cannot end by the clock"):
        Trainer(timed)


def test_a_loss_that_is_no_number_stops_the_run(settings):
    trainer = Trainer(settings)
    with torch.no_grad():
        trainer.student.shared_heads[0].cls_head.bias.fill_(torch.nan)
    with pytest.raises(DivergedError, match="step 0"):
        trainer.run()


def test_a_full_disk_keeps_every_state_before(tmp_path, monkeypatch):
    paths = [tmp_path / "first.pt", tmp_path / "second.pt"]
    state = {"model": {}, "ema": {}, "step": 1}
    save_run_states(dict.fromkeys(paths, state))
    save = torch.save

    def no_space_for_the_second(value, file):
        if "second" in file.name:
            raise OSError(28, "No space left on device")
        save(value, file)

    monkeypatch.setattr(torch, "save", no_space_for_the_second)
    with pytest.raises(RunStateError, match=r"second\.pt .*No space left"):
        save_run_states({path: {**state, "step": 2} for path in paths})
    assert [load_run_state(path)["step"] for path in paths] == [1, 1]
    assert sorted(tmp_path.iterdir()) == paths


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut off"])
def test_a_damaged_checkpoint_is_named(tmp_path, content):
    path = tmp_path / "last.pt"
    path.write_bytes(content)
    with pytest.raises(RunStateError, match=r"last\.pt"):
        load_run_state(path)


def test_the_recipes_that_ship_are_readable():
    recipes = sorted(RECIPES.glob("*.toml"))
    assert "study_v2.toml" in {path.name for path in recipes}
    for path in recipes:
        read_recipe(path)


def test_the_recipe_for_own_images_trains_as_the_readme_says(manifest, tmp_path):
    path = RECIPES / "own_images.toml"
    recipe = read_recipe(path)
    section = re.search(r"## Train on your own images\n(.*?)\n## ", (ROOT / "README.md").read_text(), re.S)[1]
    paths = (path, recipe.data.manifest, recipe.output / "last.safetensors")
    (source,) = recipe.data.composites.scenes
    for words in (*(str(named.relative_to(ROOT)) for named in paths), f"train-{source}.zip", f'"{source}"'):
        assert words in section

    composites = replace(recipe.data.composites, scenes={"scenes": 1.0}, backgrounds={"blank": 1.0})
    few = replace(
        recipe,
        output=tmp_path / "run",
        data=replace(recipe.data, manifest=manifest, composites=composites, size=32, batch=1, workers=0),
        optimiser=replace(recipe.optimiser, steps=1),
    )
    Trainer(few).run()
    trained, start = (
        load_network(MODELS[recipe.model], file) for file in (few.output / "last.safetensors", recipe.start)
    )
    name = "shared_heads.0.cls_head.bias"
    assert not torch.equal(trained.state_dict()[name], start.state_dict()[name])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model = ", "cannot be read"),
        ('model = "v9"', "missing value|v9"),
        ('model = "v2"\noutput = "x"\nspeed = 3', "speed"),
        (
            'model = "v2"\noutput = "x"\n[data]\nmanifest = "m"\n[optimiser]\nsteps = 1\n',
            r"either \[blocks\] or \[detector\]",
        ),
        (
            'model = "v2"\noutput = "x"\n[data]\nmanifest = "m"\n[optimiser]\nsteps = 1\n'
            "[detector]\ndistillation = 0.7\n",
            "needs a `teacher`",
        ),
    ],
)
def test_a_wrong_configuration_is_explained(tmp_path, text, message):
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=message):
        read_recipe(path)
