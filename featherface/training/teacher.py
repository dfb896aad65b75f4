"""The teacher of end-to-end training: its outputs for a batch, corrected by the labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from featherface.models.face_network import FaceNetwork, HeadOutputs
from featherface.models.inference import inference_copy
from featherface.training.batches import Batch, network_input
from featherface.training.mending import Mended, mended
from featherface.training.recipe import DetectorSettings
from featherface.training.targets import anchor_tensor

__all__ = ["Answer", "Teacher"]


@dataclass(frozen=True, eq=False)
class Answer:
    """A teacher's outputs for one batch.

    outputs: loc (N, A, 4), class probabilities (N, A, 2) and landm (N, A, 10).
    located: (N, A) float32 in 0..1, the weight of each anchor's box and landmarks.
    levels: its pyramid features, empty where no student asks for them.
    """

    outputs: HeadOutputs
    located: Tensor
    levels: Sequence[Tensor]


class Teacher:
    """A network that students learn from; several students can share it."""

    def __init__(self, network: FaceNetwork, settings: DetectorSettings) -> None:
        self.network = network
        self._settings = settings
        self._inference = inference_copy(_WithFeatures(network))
        self._answers: WeakKeyDictionary[Batch, Answer] = WeakKeyDictionary()

    def __call__(self, batch: Batch) -> Answer:
        """Return the answer for `batch`, computed once for as long as the batch is kept."""
        if batch not in self._answers:
            self._answers[batch] = self.answer(batch)
        return self._answers[batch]

    @torch.no_grad()
    def answer(self, batch: Batch) -> Answer:
        """Return the network's outputs for `batch`, corrected by its labels if the settings ask for it."""
        settings, device = self._settings, batch.pixels.device
        with torch.autocast(device.type, enabled=False):
            loc, conf, landm, *levels = self._inference(network_input(batch.pixels))
            answer = Mended((loc, conf, landm), conf[..., 1])
            if settings.mended_score:
                answer = mended(
                    answer.outputs,
                    batch,
                    anchor_tensor(batch.pixels.shape[-1], device),
                    match_iou=settings.match_iou,
                    face_score=settings.mended_score,
                )
        return Answer(*answer, levels if settings.hints else ())


class _WithFeatures(nn.Module):
    """A network that returns its pyramid levels after its three outputs."""

    def __init__(self, network: FaceNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        levels = self.network.pyramid(pixels)
        return (*self.network.heads(levels), *levels)
