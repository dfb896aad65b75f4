"""MobileNetV1 x 0.25, the backbone that FeatherFace V1 and V2 share.

Howard et al., "MobileNets", arXiv 1704.04861, with LeakyReLU(0.1) as in the RetinaFace family.
"""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["STAGE_CHANNELS", "MobileNetV1Quarter"]

STAGE_CHANNELS = (64, 128, 256)  # channels of the three outputs, at strides 8, 16 and 32

_SLOPE = 0.1  # negative slope of every LeakyReLU in the backbone


def _conv_bn(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.LeakyReLU(_SLOPE, inplace=True),
    )


def _depthwise_separable(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, 3, stride, padding=1, groups=in_channels, bias=False),
        nn.BatchNorm2d(in_channels),
        nn.LeakyReLU(_SLOPE, inplace=True),
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.LeakyReLU(_SLOPE, inplace=True),
    )


class MobileNetV1Quarter(nn.Module):
    """Backbone with 213,072 parameters and three outputs at strides 8, 16 and 32."""

    def __init__(self) -> None:
        super().__init__()
        self.stage1 = nn.Sequential(
            _conv_bn(3, 8, 2),
            _depthwise_separable(8, 16, 1),
            _depthwise_separable(16, 32, 2),
            _depthwise_separable(32, 32, 1),
            _depthwise_separable(32, 64, 2),
            _depthwise_separable(64, 64, 1),
        )
        self.stage2 = nn.Sequential(
            _depthwise_separable(64, 128, 2),
            *(_depthwise_separable(128, 128, 1) for _ in range(5)),
        )
        self.stage3 = nn.Sequential(
            _depthwise_separable(128, 256, 2),
            _depthwise_separable(256, 256, 1),
        )

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map (N, 3, H, W) pixels to C3, C4, C5 of 64, 128, 256 channels at strides 8, 16, 32."""
        c3 = self.stage1(pixels)  # (N, 64, H/8, W/8)
        c4 = self.stage2(c3)  # (N, 128, H/16, W/16)
        c5 = self.stage3(c4)  # (N, 256, H/32, W/32)
        return c3, c4, c5
