"""Finished weights: what the options ask for is in the file, and its record says so."""

from __future__ import annotations

import json

import pytest
import torch

from benchmarks.choose_weights import main
from featherface.checkpoints import load_network, save_weights
from featherface.models import MODELS
from featherface.training.averaging import averaged_state, recalibrated_state, resized_state

ENTRY = MODELS["v2"]


@pytest.fixture
def stages(tmp_path):
    """Two files of V2's weights with the records that a training leaves."""
    paths = []
    for number, name in enumerate(("first", "second")):
        torch.manual_seed(number)
        record = {"steps": 100 + number, "note": name, "development_ap": {"hard": 0.5}}
        paths.append(save_weights(ENTRY.builder(), ENTRY, tmp_path / f"{name}.safetensors", record))
    return paths


@pytest.mark.parametrize("asked_note", [None, "Finished."], ids=["the last file's note", "a note of its own"])
def test_weights_are_averaged_recalibrated_and_resized(stages, tmp_path, asked_note):
    output = tmp_path / "finished.safetensors"
    first, second = (str(stage.path) for stage in stages)
    options = ["--scale", "0.75", "--log-odds", "0.5", "--grow", "1.1", "1.08", "1.06", "1.04"]
    options += [] if asked_note is None else ["--note", asked_note]
    main(["--model", "v2", f"{first}+{first}+{second}", *options, "--output", str(output)])

    one, other = (load_network(ENTRY, stage.path).state_dict() for stage in stages)
    expected = recalibrated_state(averaged_state([one, one, other]), 0.5, scale=0.75)
    expected = resized_state(expected, [(1.1, 1.08), (1.06, 1.04)])
    made = load_network(ENTRY, output).state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in made.items())
    provenance = json.loads(output.with_suffix(".json").read_text())["provenance"]
    assert provenance.pop("date")
    assert provenance == {
        "steps": 101,
        "note": asked_note or "second",
        "mean_of": [{"file": stages[place].path.name, "sha256": stages[place].sha256} for place in (0, 0, 1)],
        "log_odds_scale": 0.75,
        "log_odds_lowered_by": 0.5,
        "finest_boxes_grown_by": [1.1, 1.08, 1.06, 1.04],
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a", "b", "--output", "c"], "one candidate"),
        (["a"], "one candidate"),
        (["a", "--manifest", "dev.jsonl"], "both --manifest and --ground-truth"),
    ],
    ids=["nothing chooses", "nothing to do", "no ground truth"],
)
def test_options_that_do_not_go_together_are_refused(arguments, message, capsys):
    with pytest.raises(SystemExit):
        main([*arguments, "--model", "v2"])
    assert message in capsys.readouterr().err
