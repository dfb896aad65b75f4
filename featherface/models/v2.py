"""FeatherFace V2: V1 reduced to 256,156 parameters.

Compared with V1: half the pyramid channels, two lighter BiFPN cells, one spatial gate for three levels,
grouped instead of deformable context convolutions. Module names are those of the study's V2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from featherface.models.convolutions import ChannelShuffle, detector_outputs, fuse, upsample_to
from featherface.models.face_network import FaceNetwork, HeadOutputs, PyramidLevels
from featherface.models.mobilenet import STAGE_CHANNELS, MobileNetV1Quarter

__all__ = ["FeatherFaceV2", "V2Config"]


@dataclass(frozen=True)
class V2Config:
    """Sizes of FeatherFace V2."""

    channels: int = 32  # half of V1's: most of the saving in BiFPN, SSH and heads
    bifpn_cells: int = 2  # one fewer than V1
    cbam_reduction: int = 32  # hidden width of a channel gate is channels / 32, but
    cbam_min_hidden: int = 4  # never less than this
    groups: int = 4  # of the context and shuffle convolutions
    anchors: int = 2  # per cell: one size and its double


class ChannelGate(nn.Module):
    """Channel attention without biases: one MLP over average and max pooled features, summed, sigmoid."""

    def __init__(self, channels: int, config: V2Config) -> None:
        super().__init__()
        hidden = max(channels // config.cbam_reduction, config.cbam_min_hidden)
        self.mlp = nn.Sequential(
            nn.Linear(channels, hidden, bias=False), nn.ReLU(), nn.Linear(hidden, channels, bias=False)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Scale each channel of (N, C, H, W)."""
        average = self.mlp(features.mean(dim=(2, 3)))  # (N, C)
        maximum = self.mlp(features.amax(dim=(2, 3)))  # (N, C)
        return features * torch.sigmoid(average + maximum)[:, :, None, None]


class SpatialGate(nn.Module):
    """Spatial attention from the mean and the maximum over channels, in that order (V1: the opposite)."""

    def __init__(self) -> None:
        super().__init__()
        self.spatial = nn.Sequential(nn.Conv2d(2, 1, 7, padding=3, bias=False), nn.BatchNorm2d(1))

    def forward(self, features: Tensor) -> Tensor:
        """Scale each position of (N, C, H, W)."""
        pooled = torch.cat((features.mean(dim=1, keepdim=True), features.amax(dim=1, keepdim=True)), dim=1)
        return features * torch.sigmoid(self.spatial(pooled))


class SharedCBAM(nn.Module):
    """CBAM with one channel gate per level and one spatial gate for all levels, residual, ReLU."""

    def __init__(self, channels: Mapping[str, int], config: V2Config) -> None:
        super().__init__()
        self.channel_gates = nn.ModuleDict(
            {name: ChannelGate(width, config) for name, width in channels.items()}
        )
        self.spatial_gate = SpatialGate()

    def forward(self, levels: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Apply the gates to each level (N, C, H, W), fine to coarse."""
        return tuple(
            functional.relu(self.spatial_gate(gate(level)) + level)
            for gate, level in zip(self.channel_gates.values(), levels, strict=True)
        )


class LightConv(nn.Module):
    """Depthwise 3 x 3, batch norm, ReLU, pointwise 1 x 1, batch norm; no biases."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.pointwise = nn.Conv2d(channels, channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        convolved: Tensor = self.bn2(self.pointwise(functional.relu(self.bn1(self.depthwise(features)))))
        return convolved


def _projection(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        nn.BatchNorm2d(out_channels, eps=1e-3, momentum=0.01),
    )


def _downsample(features: Tensor) -> Tensor:
    return functional.max_pool2d(features, 3, stride=2, padding=1)


class BiFPNLightCell(nn.Module):
    """One light bidirectional pyramid cell; the first also projects the backbone's channels."""

    def __init__(self, channels: int, *, first: bool) -> None:
        super().__init__()
        self.p4_w1 = nn.Parameter(torch.ones(2))
        self.p3_w1 = nn.Parameter(torch.ones(2))
        self.p4_w2 = nn.Parameter(torch.ones(3))
        self.p5_w2 = nn.Parameter(torch.ones(3))
        self.conv4_up = LightConv(channels)
        self.conv3_up = LightConv(channels)
        self.conv4_down = LightConv(channels)
        self.conv5_down = LightConv(channels)
        self.first = first
        if first:
            c3, c4, c5 = STAGE_CHANNELS
            self.p5_down_channel = _projection(c5, channels)
            self.p4_down_channel = _projection(c4, channels)
            self.p3_down_channel = _projection(c3, channels)

    def forward(self, levels: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Map three levels (N, *, H/s, W/s) to three of (N, channels, H/s, W/s)."""
        p3, p4, p5 = levels
        if self.first:
            p3, p4, p5 = self.p3_down_channel(p3), self.p4_down_channel(p4), self.p5_down_channel(p5)
        swish = functional.silu
        p4_up = self.conv4_up(swish(fuse(self.p4_w1, p4, upsample_to(p5, p4))))
        p3_out = self.conv3_up(swish(fuse(self.p3_w1, p3, upsample_to(p4_up, p3))))
        p4_out = self.conv4_down(swish(fuse(self.p4_w2, p4, p4_up, _downsample(p3_out))))
        p5_out = self.conv5_down(swish(fuse(self.p5_w2, p5, _downsample(p4_out), _downsample(p4_up))))
        return p3_out, p4_out, p5_out


def _grouped_bn(channels: int, groups: int) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, channels, 3, padding=1, groups=groups, bias=False),
        nn.BatchNorm2d(channels),
    ]


def _squeeze(in_channels: int, out_channels: int) -> list[nn.Module]:
    return [
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    ]


class GroupedSSH(nn.Module):
    """Context module with three receptive fields: 1 x 1 squeeze, then grouped convolutions."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        half, quarter = channels // 2, channels // 4
        self.conv3x3 = nn.Sequential(*_squeeze(channels, half), *_grouped_bn(half, groups))
        self.conv5x5_1 = nn.Sequential(*_squeeze(channels, quarter), *_grouped_bn(quarter, groups))
        self.conv5x5_2 = nn.Sequential(*_grouped_bn(quarter, groups))
        self.conv7x7_2 = nn.Sequential(*_grouped_bn(quarter, groups), nn.ReLU(inplace=True))
        self.conv7x7_3 = nn.Sequential(*_grouped_bn(quarter, groups))

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        small = self.conv3x3(features)  # (N, C/2, H, W)
        shared = self.conv5x5_1(features)  # (N, C/4, H, W)
        medium = self.conv5x5_2(shared)  # (N, C/4, H, W)
        large = self.conv7x7_3(self.conv7x7_2(shared))  # (N, C/4, H, W)
        return functional.relu(torch.cat((small, medium, large), dim=1))


class ShuffleBlock(nn.Module):
    """Channel shuffle, then two grouped 1 x 1 convolutions with batch norm and ReLU."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        half = channels // 2
        self.shuffle = ChannelShuffle(rows=groups)
        self.conv = nn.Sequential(
            nn.Conv2d(channels, half, 1, groups=groups, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(inplace=True),
            nn.Conv2d(half, channels, 1, groups=groups, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        mixed: Tensor = self.conv(self.shuffle(features))
        return mixed


class LevelHeads(nn.Module):
    """The three 1 x 1 convolutions that read one pyramid level."""

    def __init__(self, channels: int, anchors: int) -> None:
        super().__init__()
        self.cls_head = nn.Conv2d(channels, anchors * 2, 1)
        self.bbox_head = nn.Conv2d(channels, anchors * 4, 1)
        self.ldm_head = nn.Conv2d(channels, anchors * 10, 1)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map (N, C, H, W) to box, class and landmark maps."""
        return self.bbox_head(features), self.cls_head(features), self.ldm_head(features)


class FeatherFaceV2(FaceNetwork):
    """FeatherFace V2; `FaceNetwork.forward` says what goes in and comes out."""

    def __init__(self, config: V2Config | None = None) -> None:
        super().__init__()
        config = config or V2Config()
        channels, groups = config.channels, config.groups
        self.body = MobileNetV1Quarter()
        stages = dict(zip(("stage1", "stage2", "stage3"), STAGE_CHANNELS, strict=True))
        self.backbone_cbam_manager = SharedCBAM(stages, config)
        self.bifpn = nn.Sequential(
            *(BiFPNLightCell(channels, first=cell == 0) for cell in range(config.bifpn_cells))
        )
        self.bifpn_cbam_manager = SharedCBAM(dict.fromkeys(("p3", "p4", "p5"), channels), config)
        self.ssh1, self.ssh2, self.ssh3 = (GroupedSSH(channels, groups) for _ in range(3))
        self.ssh1_cs, self.ssh2_cs, self.ssh3_cs = (ShuffleBlock(channels, groups) for _ in range(3))
        self.shared_heads = nn.ModuleList(LevelHeads(channels, config.anchors) for _ in range(3))

    def pyramid(self, pixels: Tensor) -> PyramidLevels:
        """Map pixels (N, 3, H, W) to the three maps (N, 32, H/s, W/s) that the heads read."""
        p3, p4, p5 = self.bifpn_cbam_manager(self.bifpn(self.backbone_cbam_manager(self.body(pixels))))
        return (
            self.ssh1_cs(self.ssh1(p3)),
            self.ssh2_cs(self.ssh2(p4)),
            self.ssh3_cs(self.ssh3(p5)),
        )

    def heads(self, levels: PyramidLevels) -> HeadOutputs:
        """Map the pyramid's maps (N, 32, H/s, W/s) to the outputs that `forward` describes."""
        maps = [head(level) for head, level in zip(self.shared_heads, levels, strict=True)]
        boxes, classes, points = (list(kind) for kind in zip(*maps, strict=True))
        return detector_outputs(boxes, classes, points, training=self.training)
