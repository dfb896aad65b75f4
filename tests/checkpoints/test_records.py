from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from featherface.checkpoints import WeightsError, save_weights, shipped_weights, verify
from featherface.models import MODELS

V2 = MODELS["v2"]


def test_the_record_beside_saved_weights(tmp_path: Path) -> None:
    saved = save_weights(V2.builder(), V2, tmp_path / V2.weights, {"recipe": "test"})
    record = json.loads((tmp_path / "featherface_v2.json").read_text())
    assert (record["model"], record["parameters"], record["trained"]) == ("v2", 256_156, True)
    assert record["bytes"] == saved.path.stat().st_size
    assert record["sha256"] == saved.sha256
    assert record["provenance"] == {"recipe": "test"}
    assert {path.name for path in tmp_path.iterdir()} == {"featherface_v2.safetensors", "featherface_v2.json"}


def test_weights_are_saved_as_safetensors_only(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"not as a\.pth"):
        save_weights(V2.builder(), V2, tmp_path / "a.pth", {})


def test_a_network_with_nan_is_not_saved(tmp_path: Path) -> None:
    network = V2.builder()
    torch.nn.init.constant_(network.get_parameter("shared_heads.0.cls_head.bias"), torch.nan)
    with pytest.raises(WeightsError, match="NaN"):
        save_weights(network, V2, tmp_path / V2.weights, {})
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = save_weights(V2.builder(), V2, tmp_path / V2.weights, {})

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        save_weights(V2.builder(), V2, tmp_path / V2.weights, {})
    verify(saved)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("record", "message"),
    [
        pytest.param("{", "not JSON", id="truncated"),
        pytest.param("[" * 100_000, "not JSON", id="nested too deep"),
        pytest.param("[]", "trained", id="a list"),
        pytest.param('{"trained": false}', "trained", id="untrained"),
        pytest.param('{"trained": true, "model": "v2"}', "sha256, provenance", id="fields missing"),
        pytest.param(
            '{"trained": true, "model": "v1", "sha256": "", "provenance": {}}',
            "describes FeatherFace V1, not FeatherFace V2",
            id="other",
        ),
    ],
)
def test_an_invalid_record_is_refused(record: str, message: str, tmp_path: Path) -> None:
    save_weights(V2.builder(), V2, tmp_path / V2.weights, {})
    (tmp_path / "featherface_v2.json").write_text(record)
    with pytest.raises(WeightsError, match=message):
        shipped_weights(V2, tmp_path)
