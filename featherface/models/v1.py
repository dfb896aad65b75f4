"""FeatherFace V1: MobileNetV1 x 0.25, CBAM, BiFPN, deformable context modules, 592,371 parameters.

"FeatherFace", Electronics 2025, 14(3), 517; RetinaFace, arXiv 1905.00641; CBAM, arXiv 1807.06521;
BiFPN, arXiv 1911.09070; SSH, arXiv 1708.03979. Module names are those of the published checkpoint,
its spelling included, so that its state dict loads as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from featherface.models.convolutions import ChannelShuffle, detector_outputs, fuse, upsample_to
from featherface.models.deformable import ModulatedDeformableConv2d
from featherface.models.face_network import FaceNetwork, HeadOutputs, PyramidLevels
from featherface.models.mobilenet import STAGE_CHANNELS, MobileNetV1Quarter

__all__ = ["FeatherFaceV1", "V1Config", "max_pool_same"]


@dataclass(frozen=True)
class V1Config:
    """Sizes of FeatherFace V1."""

    channels: int = 64  # of every pyramid level; more gained nothing on WIDER FACE
    bifpn_cells: int = 3  # the fewest with which P3 sees P5 and back again
    cbam_reduction: int = 16  # hidden width of the channel gate is channels / 16
    anchors: int = 2  # per cell: one size and its double


class ChannelGate(nn.Module):
    """Channel attention: one MLP over average-pooled and max-pooled features, summed, sigmoid."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        hidden = channels // reduction
        self.mlp = nn.Sequential(
            nn.Flatten(), nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Scale each channel of (N, C, H, W)."""
        average = self.mlp(features.mean(dim=(2, 3)))  # (N, C)
        maximum = self.mlp(features.amax(dim=(2, 3)))  # (N, C)
        return features * torch.sigmoid(average + maximum)[:, :, None, None]


class SpatialConv(nn.Module):
    """The 7 x 7 convolution and batch norm of the spatial gate."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, padding=3, bias=False)
        self.bn = nn.BatchNorm2d(1, eps=1e-5, momentum=0.01)

    def forward(self, pooled: Tensor) -> Tensor:
        """Map (N, 2, H, W) to (N, 1, H, W)."""
        gate: Tensor = self.bn(self.conv(pooled))
        return gate


class SpatialGate(nn.Module):
    """Spatial attention from the maximum and the mean over channels, in that order."""

    def __init__(self) -> None:
        super().__init__()
        self.spatial = SpatialConv()

    def forward(self, features: Tensor) -> Tensor:
        """Scale each position of (N, C, H, W)."""
        pooled = torch.cat((features.amax(dim=1, keepdim=True), features.mean(dim=1, keepdim=True)), dim=1)
        return features * torch.sigmoid(self.spatial(pooled))


class CBAM(nn.Module):
    """Convolutional block attention: channel gate, spatial gate, residual, ReLU."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.ChannelGate = ChannelGate(channels, reduction)
        self.SpatialGate = SpatialGate()

    def forward(self, features: Tensor) -> Tensor:
        """Apply both gates to (N, C, H, W) and add the input."""
        return functional.relu(self.SpatialGate(self.ChannelGate(features)) + features)


class NamedConv(nn.Module):
    """A convolution whose parameters lie under `.conv`, as the published checkpoint names them."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, *, groups: int = 1, bias: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel, padding=kernel // 2, groups=groups, bias=bias
        )

    def forward(self, features: Tensor) -> Tensor:
        """Convolve (N, C, H, W) at stride 1."""
        convolved: Tensor = self.conv(features)
        return convolved


class SeparableConv(nn.Module):
    """Depthwise 3 x 3, pointwise 1 x 1, batch norm."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise_conv = NamedConv(channels, channels, 3, groups=channels, bias=False)
        self.pointwise_conv = NamedConv(channels, channels, 1)
        self.bn = nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        convolved: Tensor = self.bn(self.pointwise_conv(self.depthwise_conv(features)))
        return convolved


def _projection(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        NamedConv(in_channels, out_channels, 1),
        nn.BatchNorm2d(out_channels, eps=1e-3, momentum=0.01),
    )


def max_pool_same(features: Tensor) -> Tensor:
    """Max pool 3 x 3 at stride 2 after TensorFlow's "same" padding with zeros, to ceil(n / 2)."""
    pads: list[int] = []
    for cells in (features.shape[-1], features.shape[-2]):
        extra = (-(-cells // 2) - 1) * 2 - cells + 3
        pads += [extra // 2, extra - extra // 2]
    return functional.max_pool2d(functional.pad(features, pads), 3, stride=2)


class BiFPNCell(nn.Module):
    """One bidirectional pyramid cell over P3, P4, P5; the first also projects the backbone's channels."""

    def __init__(self, channels: int, *, first: bool) -> None:
        super().__init__()
        self.p4_w1 = nn.Parameter(torch.ones(2))
        self.p3_w1 = nn.Parameter(torch.ones(2))
        self.p4_w2 = nn.Parameter(torch.ones(3))
        self.p5_w2 = nn.Parameter(torch.ones(3))  # the third takes part in the normalisation only
        self.conv4_up = SeparableConv(channels)
        self.conv3_up = SeparableConv(channels)
        self.conv4_down = SeparableConv(channels)
        self.conv5_down = SeparableConv(channels)
        self.first = first
        if first:
            c3, c4, c5 = STAGE_CHANNELS
            self.p5_down_channel = _projection(c5, channels)
            self.p4_down_channel = _projection(c4, channels)
            self.p3_down_channel = _projection(c3, channels)
            self.p4_down_channel_2 = _projection(c4, channels)
            self.p5_down_channel_2 = _projection(c5, channels)

    def forward(self, levels: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Map three levels (N, *, H/s, W/s) to three of (N, channels, H/s, W/s)."""
        p3, p4, p5 = levels
        p4_again, p5_again = p4, p5
        if self.first:
            p4_again, p5_again = self.p4_down_channel_2(p4), self.p5_down_channel_2(p5)
            p3, p4, p5 = self.p3_down_channel(p3), self.p4_down_channel(p4), self.p5_down_channel(p5)
        swish = functional.silu
        p4_up = self.conv4_up(swish(fuse(self.p4_w1, p4, upsample_to(p5, p4))))
        p3_out = self.conv3_up(swish(fuse(self.p3_w1, p3, upsample_to(p4_up, p3))))
        p4_out = self.conv4_down(swish(fuse(self.p4_w2, p4_again, p4_up, max_pool_same(p3_out))))
        p5_out = self.conv5_down(swish(fuse(self.p5_w2, p5_again, max_pool_same(p4_out))))
        return p3_out, p4_out, p5_out


def _deformable_bn(in_channels: int, out_channels: int, *, activate: bool) -> nn.Sequential:
    layers: list[nn.Module] = [
        ModulatedDeformableConv2d(in_channels, out_channels),
        nn.BatchNorm2d(out_channels),
    ]
    return nn.Sequential(*layers, nn.LeakyReLU(0.1, inplace=True)) if activate else nn.Sequential(*layers)


class SSH(nn.Module):
    """Context module of three receptive fields (3 x 3, 5 x 5, 7 x 7), every convolution deformable."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        quarter = channels // 4
        self.conv3X3 = _deformable_bn(channels, channels // 2, activate=False)
        self.conv5X5_1 = _deformable_bn(channels, quarter, activate=True)
        self.conv5X5_2 = _deformable_bn(quarter, quarter, activate=False)
        self.conv7X7_2 = _deformable_bn(quarter, quarter, activate=True)
        self.conv7x7_3 = _deformable_bn(quarter, quarter, activate=False)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        small = self.conv3X3(features)  # (N, C/2, H, W)
        shared = self.conv5X5_1(features)  # (N, C/4, H, W)
        medium = self.conv5X5_2(shared)  # (N, C/4, H, W)
        large = self.conv7x7_3(self.conv7X7_2(shared))  # (N, C/4, H, W)
        return functional.relu(torch.cat((small, medium, large), dim=1))


def _shuffle_block(channels: int) -> nn.Sequential:
    half = channels // 2
    return nn.Sequential(
        ChannelShuffle(rows=half),
        nn.Conv2d(channels, half, 1, bias=False),
        nn.BatchNorm2d(half),
        nn.Conv2d(half, half, 3, padding=1, groups=half, bias=False),
        nn.BatchNorm2d(half),
        nn.Conv2d(half, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    )


class Head(nn.Module):
    """A 1 x 1 convolution that predicts `values` numbers per cell."""

    def __init__(self, channels: int, values: int) -> None:
        super().__init__()
        self.conv1x1 = nn.Conv2d(channels, values, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, values, H, W)."""
        predictions: Tensor = self.conv1x1(features)
        return predictions


class FeatherFaceV1(FaceNetwork):
    """FeatherFace V1; `FaceNetwork.forward` says what goes in and comes out."""

    def __init__(self, config: V1Config | None = None) -> None:
        super().__init__()
        config = config or V1Config()
        channels, reduction = config.channels, config.cbam_reduction
        self.body = MobileNetV1Quarter()
        self.bacbkbone_0_cbam = CBAM(STAGE_CHANNELS[0], reduction)
        self.bacbkbone_1_cbam = CBAM(STAGE_CHANNELS[1], reduction)
        self.bacbkbone_2_cbam = CBAM(STAGE_CHANNELS[2], reduction)
        self.bifpn = nn.Sequential(
            *(BiFPNCell(channels, first=cell == 0) for cell in range(config.bifpn_cells))
        )
        self.bif_cbam_0 = CBAM(channels, reduction)
        self.bif_cbam_1 = CBAM(channels, reduction)
        self.bif_cbam_2 = CBAM(channels, reduction)
        self.ssh1, self.ssh2, self.ssh3 = SSH(channels), SSH(channels), SSH(channels)
        self.ssh1_cs = _shuffle_block(channels)
        self.ssh2_cs = _shuffle_block(channels)
        self.ssh3_cs = _shuffle_block(channels)
        self.ClassHead = nn.ModuleList(Head(channels, config.anchors * 2) for _ in range(3))
        self.BboxHead = nn.ModuleList(Head(channels, config.anchors * 4) for _ in range(3))
        self.LandmarkHead = nn.ModuleList(Head(channels, config.anchors * 10) for _ in range(3))

    def pyramid(self, pixels: Tensor) -> PyramidLevels:
        """Map pixels (N, 3, H, W) to the three maps (N, 64, H/s, W/s) that the heads read."""
        c3, c4, c5 = self.body(pixels)
        gated = self.bacbkbone_0_cbam(c3), self.bacbkbone_1_cbam(c4), self.bacbkbone_2_cbam(c5)
        p3, p4, p5 = self.bifpn(gated)
        return (
            self.ssh1_cs(self.ssh1(self.bif_cbam_0(p3))),
            self.ssh2_cs(self.ssh2(self.bif_cbam_1(p4))),
            self.ssh3_cs(self.ssh3(self.bif_cbam_2(p5))),
        )

    def heads(self, levels: PyramidLevels) -> HeadOutputs:
        """Map the pyramid's maps (N, 64, H/s, W/s) to the outputs that `forward` describes."""
        return detector_outputs(
            [head(level) for head, level in zip(self.BboxHead, levels, strict=True)],
            [head(level) for head, level in zip(self.ClassHead, levels, strict=True)],
            [head(level) for head, level in zip(self.LandmarkHead, levels, strict=True)],
            training=self.training,
        )
