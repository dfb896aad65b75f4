"""The base class of the networks: backbone, pyramid and heads, with common inputs and outputs."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["FaceNetwork", "HeadOutputs", "PyramidLevels"]

PyramidLevels = tuple[Tensor, Tensor, Tensor]  # feature maps (N, C, H/s, W/s) at strides 8, 16 and 32
HeadOutputs = tuple[Tensor, Tensor, Tensor]  # loc (N, A, 4), conf (N, A, 2), landm (N, A, 10)


class FaceNetwork(nn.Module):
    """A RetinaFace-style single-shot face detector with three pyramid levels and two anchors per cell.

    Receptive fields are measured on `body` and `pyramid`; distillation compares the pyramids of two networks.
    """

    body: nn.Module  # the backbone: pixels (N, 3, H, W) to `PyramidLevels`

    def pyramid(self, pixels: Tensor) -> PyramidLevels:
        """Map pixels (N, 3, H, W) to the feature maps that the heads read."""
        raise NotImplementedError

    def heads(self, levels: PyramidLevels) -> HeadOutputs:
        """Map the pyramid's feature maps to the outputs that `forward` describes."""
        raise NotImplementedError

    def forward(self, pixels: Tensor) -> HeadOutputs:
        """Detect faces in BGR pixels (N, 3, H, W), float32, 0..255 minus the mean, H and W at least 32.

        Returns `loc` (N, A, 4), `conf` (N, A, 2), probabilities in evaluation mode and logits in training
        mode, and `landm` (N, A, 10), with A = 2 per cell of strides 8, 16 and 32.
        """
        return self.heads(self.pyramid(pixels))
