"""Modulated deformable convolution (DCNv2) in plain PyTorch.

Zhu et al., "Deformable ConvNets v2", arXiv 1811.11168. torchvision has a kernel for it; this form needs none.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["ModulatedDeformableConv2d", "modulated_deformable_conv2d"]

_TAPS = 9  # of the 3 x 3 kernel, row-major


def modulated_deformable_conv2d(features: Tensor, offsets: Tensor, masks: Tensor, weight: Tensor) -> Tensor:
    """Convolve 3 x 3 at sampling points moved by `offsets` and scaled by `masks`, padding 1, stride 1.

    features (N, C, H, W); offsets (N, 18, H, W) as (dy, dx) pairs in pixels, tap by tap; masks (N, 9, H, W);
    weight (O, C, 3, 3). Sampling is bilinear with zeros outside. Returns (N, O, H, W).
    """
    batch, channels, height, width = features.shape
    pairs = offsets.reshape(batch, _TAPS, 2, height, width)
    tap = torch.arange(3, device=features.device, dtype=features.dtype) - 1
    rows = torch.arange(height, device=features.device, dtype=features.dtype)
    columns = torch.arange(width, device=features.device, dtype=features.dtype)
    y = pairs[:, :, 0] + tap.repeat_interleave(3).view(_TAPS, 1, 1) + rows.view(height, 1)
    x = pairs[:, :, 1] + tap.repeat(3).view(_TAPS, 1, 1) + columns
    # grid_sample wants -1..1 from the outer edge of the first pixel to that of the last
    grid = torch.stack(((2 * x + 1) / width - 1, (2 * y + 1) / height - 1), dim=-1)
    samples = functional.grid_sample(
        features, grid.flatten(1, 2), mode="bilinear", padding_mode="zeros", align_corners=False
    )  # (N, C, 9 * H, W)
    modulated = samples.view(batch, channels, _TAPS, height, width) * masks.unsqueeze(1)
    columns_matrix = modulated.view(batch, channels * _TAPS, height * width)
    return (weight.flatten(1) @ columns_matrix).view(batch, -1, height, width)


class ModulatedDeformableConv2d(nn.Module):
    """3 x 3 deformable convolution that predicts its own offsets and masks from its input."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.offset_conv = nn.Conv2d(in_channels, 2 * _TAPS, 3, padding=1)
        self.modulator_conv = nn.Conv2d(in_channels, _TAPS, 3, padding=1)
        self.regular_conv = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        # DCNv2 starts as a plain convolution: no offset, every mask 1
        for conv in (self.offset_conv, self.modulator_conv):
            nn.init.zeros_(conv.weight)
            nn.init.zeros_(conv.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, O, H, W)."""
        masks = 2 * torch.sigmoid(self.modulator_conv(features))
        return modulated_deformable_conv2d(
            features, self.offset_conv(features), masks, self.regular_conv.weight
        )
