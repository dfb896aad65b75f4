"""Losses: MultiBox against labels, and distillation from a teacher's outputs and features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from featherface.models.face_network import HeadOutputs
from featherface.training.targets import Targets

__all__ = ["distillation_losses", "hint_loss", "multibox_losses"]

_BACKGROUND_WEIGHT = 1e-3  # of an anchor where neither the teacher nor the student sees a face


def multibox_losses(
    outputs: HeadOutputs, targets: Sequence[Targets], complete: Tensor, negatives: int
) -> dict[str, Tensor]:
    """Return the MultiBox losses `box`, `class` and `landmark` as scalars.

    `outputs` hold logits, as the networks return them in training mode; one `Targets` per image; `complete`
    (N,)
    bool: only in these images are negatives taken, the `negatives` x positives with the highest loss. Anchors
    on uncertain boxes are neither.

    References: SSD, arXiv:1512.02325; RetinaFace, arXiv:1905.00641.
    """
    loc, logits, landm = outputs
    face = torch.stack([target.face for target in targets])  # (N, A)
    weights = torch.stack([target.weights for target in targets])
    uncertain = torch.stack([target.uncertain for target in targets])
    positive = face >= 0
    classes = functional.cross_entropy(logits.flatten(0, 1), positive.flatten().long(), reduction="none")
    classes = classes.view_as(weights) * weights
    excluded = positive | uncertain | ~complete[:, None]
    chosen = positive | _hard_negatives(classes.detach(), positive, excluded, negatives)
    faces = weights[positive].sum().clamp_min(1)
    wanted_loc = torch.stack([target.loc for target in targets])[positive]
    wanted_landm = torch.stack([target.landm for target in targets])[positive]
    box = functional.smooth_l1_loss(loc[positive], wanted_loc, reduction="none").sum(dim=1)
    known = torch.isfinite(wanted_landm).all(dim=1)
    points = functional.smooth_l1_loss(landm[positive][known], wanted_landm[known], reduction="none").sum(
        dim=1
    )
    known_weights = weights[positive][known]
    return {
        "box": (box * weights[positive]).sum() / faces,
        "class": classes[chosen].sum() / faces,
        "landmark": (points * known_weights).sum() / known_weights.sum().clamp_min(1),
    }


def _hard_negatives(losses: Tensor, positive: Tensor, excluded: Tensor, ratio: int) -> Tensor:
    """Return which anchors (N, A) are among the `ratio` x positives of highest loss, per image."""
    background = losses.masked_fill(excluded, -torch.inf)
    rank = background.argsort(dim=1, descending=True).argsort(dim=1)
    wanted = (ratio * positive.sum(dim=1, keepdim=True)).clamp(min=ratio)  # also for an image without faces
    return (rank < wanted) & torch.isfinite(background)


def distillation_losses(
    student: HeadOutputs,
    teacher: HeadOutputs,
    temperature: float,
    score_power: float = 1.0,
    *,
    per_image: bool = False,
    located: Tensor | None = None,
) -> dict[str, Tensor]:
    """Return the losses `class`, `box` and `landmark` of the student against the teacher, scalars from 0.

    `student` holds logits, `teacher` probabilities (a network in evaluation mode). The class loss is the
    Kullback-Leibler divergence of scores softened by `temperature`, times its square, weighted by the higher
    of the two scores to the power of `score_power`: a lower power gives uncertain anchors more weight. It is
    averaged over all anchors of the batch, or, with `per_image`, first over those of each image, so that
    images with few faces or none count as much as crowds. Boxes and landmarks are weighted by `located`
    (N, A), which is the teacher's score if None; landmarks count only where they are finite.

    Reference: Hinton et al., Distilling the Knowledge in a Neural Network, arXiv:1503.02531.
    """
    loc, logits, landm = student
    wanted_loc, probabilities, wanted_landm = teacher
    odds = logits[..., 1] - logits[..., 0]  # (N, A) log-odds of "face"
    logarithms = probabilities.clamp_min(1e-12).log()
    wanted_odds = logarithms[..., 1] - logarithms[..., 0]
    seen = probabilities[..., 1]
    weight = torch.maximum(seen, odds.detach().sigmoid()) ** score_power + _BACKGROUND_WEIGHT
    soft = (wanted_odds / temperature).sigmoid()
    divergence = functional.binary_cross_entropy_with_logits(odds / temperature, soft, reduction="none")
    divergence = divergence - functional.binary_cross_entropy_with_logits(
        wanted_odds / temperature, soft, reduction="none"
    )
    located = seen if located is None else located
    faces = located.sum().clamp_min(1)
    known = torch.isfinite(wanted_landm).all(dim=-1, keepdim=True)
    wanted_landm = torch.where(known, wanted_landm, landm.detach())
    box = functional.smooth_l1_loss(loc, wanted_loc, reduction="none", beta=0.5).sum(dim=-1)
    points = functional.smooth_l1_loss(landm, wanted_landm, reduction="none", beta=0.5).sum(dim=-1)
    return {
        "class": temperature**2 * _weighted_mean(divergence, weight, per_image=per_image),
        "box": (box * located).sum() / faces,
        "landmark": (points * located).sum() / faces,
    }


def _weighted_mean(values: Tensor, weights: Tensor, *, per_image: bool) -> Tensor:
    if per_image:
        return ((values * weights).sum(dim=1) / weights.sum(dim=1)).mean()
    return (values * weights).sum() / weights.sum()


def hint_loss(student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
    """Return the squared error of features (N, C, H, W) over the teacher's variance, averaged over levels."""
    errors = [
        functional.mse_loss(mine, theirs) / theirs.var().clamp_min(1e-6)
        for mine, theirs in zip(student, teacher, strict=True)
    ]
    return torch.stack(errors).mean()
