"""Modulated deformable convolution (DCNv2) in plain PyTorch.

Zhu et al., "Deformable ConvNets v2", arXiv 1811.11168. torchvision has a kernel for it; this form needs none.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = [
    "InferenceDeformableConv2d",
    "ModulatedDeformableConv2d",
    "has_deformable_convolutions",
    "modulated_deformable_conv2d",
]

_TAPS = 9  # of the 3 x 3 kernel, row-major
_CORNERS = 4  # that a bilinear sample interpolates


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
    # both are linear, so each tap's product may be sampled instead of its factors: O channels rather than C
    taps = weight.permute(2, 3, 0, 1).reshape(1, -1, channels).expand(batch, -1, -1)  # (N, 9 * O, C)
    products = torch.bmm(taps, features.flatten(2)).view(batch * _TAPS, -1, height, width)
    samples = functional.grid_sample(
        products, grid.flatten(0, 1), mode="bilinear", padding_mode="zeros", align_corners=False
    )  # (N * 9, O, H, W)
    modulated = samples.view(batch, _TAPS, -1, height, width) * masks.unsqueeze(2)
    return modulated.sum(dim=1)


class ModulatedDeformableConv2d(nn.Module):
    """3 x 3 deformable convolution that predicts its own offsets and masks from its input."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.offset_conv = nn.Conv2d(in_channels, 2 * _TAPS, 3, padding=1)
        self.modulator_conv = nn.Conv2d(in_channels, _TAPS, 3, padding=1)
        self.regular_conv = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        # DCNv2 starts as a plain convolution: no offset, every mask 1
        for conv in (self.offset_conv, self.modulator_conv):
            for parameter in conv.parameters():
                nn.init.zeros_(parameter)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, O, H, W)."""
        masks = 2 * torch.sigmoid(self.modulator_conv(features))
        return modulated_deformable_conv2d(
            features, self.offset_conv(features), masks, self.regular_conv.weight
        )


def has_deformable_convolutions(network: nn.Module) -> bool:
    """Return whether any layer of `network` is a deformable convolution."""
    return any(isinstance(module, ModulatedDeformableConv2d) for module in network.modules())


class InferenceDeformableConv2d(nn.Module):
    """A frozen copy of a `ModulatedDeformableConv2d` that takes a third of its time; inference only.

    Multiplication comes before sampling, which gives the same result as both are linear: every cell is
    multiplied by all nine taps of the kernel, and each output cell is the weighted sum of 9 taps x 4 corners
    of those products, gathered by one `embedding_bag`. Offsets and masks come from one convolution.
    """

    def __init__(self, layer: ModulatedDeformableConv2d) -> None:
        super().__init__()
        offsets, masks, kernel = layer.offset_conv, layer.modulator_conv, layer.regular_conv.weight.detach()
        offset_bias, mask_bias = offsets.get_parameter("bias"), masks.get_parameter("bias")
        self.out_channels, in_channels = kernel.shape[:2]
        tap = torch.arange(3, dtype=kernel.dtype, device=kernel.device) - 1
        self.points = nn.Conv2d(in_channels, 3 * _TAPS, 3, padding=1)  # nine y, nine x, nine masks
        self.points.weight = nn.Parameter(
            torch.cat((offsets.weight[0::2], offsets.weight[1::2], masks.weight)).detach()
        )
        self.points.bias = nn.Parameter(
            torch.cat(
                (
                    offset_bias[0::2] + tap.repeat_interleave(3),
                    offset_bias[1::2] + tap.repeat(3),
                    mask_bias,
                )
            ).detach()
        )
        self.kernel = nn.Parameter(kernel.permute(1, 2, 3, 0).reshape(in_channels, -1))  # (C, 9 * O)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, O, H, W), channels last in memory."""
        batch, channels, height, width = features.shape
        y, x, masks = self.points(features).permute(0, 2, 3, 1).split(_TAPS, dim=-1)  # (N, H, W, 9) each
        y = y + torch.arange(height, dtype=y.dtype, device=y.device).view(height, 1, 1)
        x = x + torch.arange(width, dtype=x.dtype, device=x.device).view(width, 1)
        y, x = y.clamp_(-1, height), x.clamp_(-1, width)  # from there on all four corners are zeros
        top, left = y.floor(), x.floor()
        down, right = y.sub_(top), x.sub_(left)
        masks = torch.sigmoid(masks).mul_(2)
        lower = down.mul_(masks)
        upper = masks.sub_(lower)
        lower_right, upper_right = lower * right, upper * right
        shares = torch.stack(
            (upper.sub_(upper_right), upper_right, lower.sub_(lower_right), lower_right), dim=-2
        )  # (N, H, W, 4, 9)
        # a border of zeros, one cell above and left, two below and right, holds every corner outside
        padded = functional.pad(features.permute(0, 2, 3, 1), (0, 0, 1, 2, 1, 2))
        products = (padded.reshape(-1, channels) @ self.kernel).view(-1, self.out_channels)
        stride = width + 3  # cells in a padded row
        cells = top.mul_(stride).add_(left).int()
        first = (torch.arange(batch, device=y.device) * (height + 3) + 1) * stride + 1
        rows = cells.add_(first.view(batch, 1, 1, 1).int()).mul_(_TAPS)
        rows = rows.add_(torch.arange(_TAPS, device=y.device).int())  # of `products`, top left corner
        # NaN offsets (diverged weights) must not read other memory
        rows = rows.clamp_(0, _TAPS * (batch * (height + 3) - 1) * stride - _TAPS - 1)
        below = rows + _TAPS * stride
        corners = torch.stack((rows, rows + _TAPS, below, below + _TAPS), dim=-2)
        sums = functional.embedding_bag(
            corners.view(-1, _CORNERS * _TAPS),
            products,
            mode="sum",
            per_sample_weights=shares.view(-1, _CORNERS * _TAPS),
        )
        return sums.view(batch, height, width, self.out_channels).permute(0, 3, 1, 2)
