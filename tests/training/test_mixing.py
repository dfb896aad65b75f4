"""MixUp, CutMix and DropBlock keep labels correct."""

from __future__ import annotations

import torch

from featherface.training.batches import Batch
from featherface.training.mixing import cutmix, dropblock, mixup


def two_images() -> Batch:
    pixels = torch.stack((torch.zeros(3, 64, 64), torch.full((3, 64, 64), 200.0))).to(torch.uint8)
    boxes = [torch.tensor([[4.0, 4.0, 24.0, 24.0]]), torch.tensor([[36.0, 36.0, 60.0, 60.0]])]
    landmarks = [box[:, None, :2].repeat(1, 5, 1) + 5 for box in boxes]
    ones = [torch.ones(1), torch.ones(1)]
    return Batch(pixels, boxes, landmarks, ones, ones, torch.tensor([True, True]))


def test_mixup_keeps_the_faces_of_both_images_by_their_share():
    mixed = mixup(two_images(), 0.75)
    assert mixed.pixels[0].unique().item() == 50  # a quarter of 200
    assert mixed.pixels[1].unique().item() == 150
    assert mixed.boxes[0].tolist() == [[4, 4, 24, 24], [36, 36, 60, 60]]
    assert mixed.weights[0].tolist() == [0.75, 0.25]
    assert mixed.weights[1].tolist() == [0.75, 0.25]


def test_cutmix_swaps_a_whole_face_in():
    mixed = cutmix(two_images(), 32, 32, 32, 32)
    assert mixed.pixels[0, 0, 40, 40] == 200
    assert mixed.pixels[0, 0, 10, 10] == 0
    assert mixed.boxes[0].tolist() == [[4, 4, 24, 24], [36, 36, 60, 60]]
    assert torch.isfinite(mixed.landmarks[0]).all()
    assert mixed.boxes[1].shape == (0, 4)  # its face is covered, the other face is outside the rectangle
    assert mixed.complete.all()


def test_cutmix_drops_landmarks_that_are_covered_and_clips_what_it_pastes():
    mixed = cutmix(two_images(), 2, 2, 8, 8)  # covers a corner of the first face, all its landmarks with it
    assert mixed.boxes[0].tolist() == [[4, 4, 24, 24]]
    assert torch.isnan(mixed.landmarks[0]).all()
    assert not mixed.complete[1]  # a part of the first face was pasted there: neither target nor background


def test_dropblock_drops_blocks_and_keeps_the_mean():
    torch.manual_seed(0)
    features = torch.ones(2, 8, 64, 64)
    dropped = dropblock(features, 0.1)
    share = (dropped == 0).float().mean().item()
    assert 0.07 < share < 0.12
    assert abs(dropped.mean().item() - 1) < 1e-5
