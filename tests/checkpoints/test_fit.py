from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from featherface.checkpoints.fit import closest_model, require_fit
from featherface.checkpoints.formats import WeightsError
from featherface.models import MODELS

V1, V2 = MODELS["v1"], MODELS["v2"]
State = dict[str, Tensor]
HEAD = "ClassHead.0.conv1x1.weight"


def without(state: State, *names: str) -> State:
    return {name: tensor for name, tensor in state.items() if name not in names}


def test_the_models_own_state_dict_fits(v1_state: State) -> None:
    require_fit("a.pth", V1, v1_state)


UNFIT: dict[str, tuple[Callable[[State], State], str]] = {
    "missing": (lambda state: without(state, HEAD), rf"1 missing \(first: '{HEAD}'\)"),
    "unexpected": (
        lambda state: {**state, "extra.bias": torch.zeros(2)},
        r"1 unexpected \(first: 'extra.bias'\)",
    ),
    "prefix on some names": (
        lambda state: {**without(state, HEAD), f"module.{HEAD}": state[HEAD]},
        r"1 missing .* 1 unexpected",
    ),
    "another shape": (
        lambda state: {**state, HEAD: torch.zeros(2, 64, 1, 1)},
        "1 with another shape .*2x64x1x1 not 4x64x1x1",
    ),
    "half precision": (
        lambda state: {**state, HEAD: state[HEAD].half()},
        "1 with another dtype .*torch.float16 not torch.float32",
    ),
    "NaN": (lambda state: {**state, HEAD: state[HEAD] * torch.nan}, f"NaN or infinite values .in {HEAD}"),
    "infinity": (lambda state: {**state, HEAD: state[HEAD] + torch.inf}, "NaN or infinite"),
    "negative variance": (
        lambda state: {**state, "body.stage1.0.1.running_var": -torch.ones(8)},
        "negative variance",
    ),
    "foreign": (lambda state: {"fc.weight": torch.zeros(2)}, "587 missing .* 1 unexpected"),
    "nothing": (lambda state: {}, "587 missing"),
    "the other model": (
        lambda state: V2.builder().state_dict(),
        "contains weights of FeatherFace V2, not of FeatherFace V1",
    ),
}


@pytest.mark.parametrize("name", UNFIT)
def test_the_difference_is_named(name: str, v1_state: State) -> None:
    spoil, message = UNFIT[name]
    with pytest.raises(WeightsError, match=f"^a.pth .*{message}") as caught:
        require_fit("a.pth", V1, spoil(v1_state))
    assert "\n" not in str(caught.value)


def test_closest_model(v1_state: State) -> None:
    assert closest_model("a.pth", without(v1_state, HEAD)) == V1
    assert closest_model("a.pth", V2.builder().state_dict()) == V2
    with pytest.raises(WeightsError, match="none of the tensors of FeatherFace V1 or FeatherFace V2"):
        closest_model("a.pth", {"fc.weight": torch.zeros(2)})
