"""Which layers of the two networks do the same job, though their names differ.

A further model needs a column of its own in `_ROLES` to be aligned; until then a layer's role is its path.
"""

from __future__ import annotations

import re

__all__ = ["level_of", "role_of"]

# (path in V1, path in V2, role); None where one model has no such layer; (..) goes into {}
_ROLES = (
    (r"body\.(stage\d\.\d\.\d)", r"body\.(stage\d\.\d\.\d)", "backbone {}"),
    (r"bacbkbone_\d_cbam\.ChannelGate\.mlp\.0", None, "backbone attention, channel gate: flatten"),
    (
        r"bacbkbone_\d_cbam\.ChannelGate\.mlp\.1",
        r"backbone_cbam_manager\.channel_gates\.\w+\.mlp\.0",
        "backbone attention, channel gate: squeeze",
    ),
    (
        r"bacbkbone_\d_cbam\.ChannelGate\.mlp\.2",
        r"backbone_cbam_manager\.channel_gates\.\w+\.mlp\.1",
        "backbone attention, channel gate: activation",
    ),
    (
        r"bacbkbone_\d_cbam\.ChannelGate\.mlp\.3",
        r"backbone_cbam_manager\.channel_gates\.\w+\.mlp\.2",
        "backbone attention, channel gate: expand",
    ),
    (
        r"bacbkbone_\d_cbam\.SpatialGate\.spatial\.conv",
        r"backbone_cbam_manager\.spatial_gate\.spatial\.0",
        "backbone attention, spatial gate: convolution",
    ),
    (
        r"bacbkbone_\d_cbam\.SpatialGate\.spatial\.bn",
        r"backbone_cbam_manager\.spatial_gate\.spatial\.1",
        "backbone attention, spatial gate: batch norm",
    ),
    (r"bifpn\.(\d)", r"bifpn\.(\d)", "BiFPN cell {}: fusion weights"),
    (
        r"bifpn\.(\d)\.p\d_down_channel\.0\.conv",
        r"bifpn\.(\d)\.p\d_down_channel\.0",
        "BiFPN cell {}, projection: convolution",
    ),
    (
        r"bifpn\.(\d)\.p\d_down_channel\.1",
        r"bifpn\.(\d)\.p\d_down_channel\.1",
        "BiFPN cell {}, projection: batch norm",
    ),
    (r"bifpn\.(\d)\.p\d_down_channel_2\.0\.conv", None, "BiFPN cell {}, second projection: convolution"),
    (r"bifpn\.(\d)\.p\d_down_channel_2\.1", None, "BiFPN cell {}, second projection: batch norm"),
    (
        r"bifpn\.(\d)\.conv\d_(up|down)\.depthwise_conv\.conv",
        r"bifpn\.(\d)\.conv\d_(up|down)\.depthwise",
        "BiFPN cell {}, {}: depthwise",
    ),
    (None, r"bifpn\.(\d)\.conv\d_(up|down)\.bn1", "BiFPN cell {}, {}: batch norm of depthwise"),
    (
        r"bifpn\.(\d)\.conv\d_(up|down)\.pointwise_conv\.conv",
        r"bifpn\.(\d)\.conv\d_(up|down)\.pointwise",
        "BiFPN cell {}, {}: pointwise",
    ),
    (
        r"bifpn\.(\d)\.conv\d_(up|down)\.bn",
        r"bifpn\.(\d)\.conv\d_(up|down)\.bn2",
        "BiFPN cell {}, {}: batch norm",
    ),
    (r"bif_cbam_\d\.ChannelGate\.mlp\.0", None, "pyramid attention, channel gate: flatten"),
    (
        r"bif_cbam_\d\.ChannelGate\.mlp\.1",
        r"bifpn_cbam_manager\.channel_gates\.\w+\.mlp\.0",
        "pyramid attention, channel gate: squeeze",
    ),
    (
        r"bif_cbam_\d\.ChannelGate\.mlp\.2",
        r"bifpn_cbam_manager\.channel_gates\.\w+\.mlp\.1",
        "pyramid attention, channel gate: activation",
    ),
    (
        r"bif_cbam_\d\.ChannelGate\.mlp\.3",
        r"bifpn_cbam_manager\.channel_gates\.\w+\.mlp\.2",
        "pyramid attention, channel gate: expand",
    ),
    (
        r"bif_cbam_\d\.SpatialGate\.spatial\.conv",
        r"bifpn_cbam_manager\.spatial_gate\.spatial\.0",
        "pyramid attention, spatial gate: convolution",
    ),
    (
        r"bif_cbam_\d\.SpatialGate\.spatial\.bn",
        r"bifpn_cbam_manager\.spatial_gate\.spatial\.1",
        "pyramid attention, spatial gate: batch norm",
    ),
    (None, r"ssh\d\.conv3x3\.0", "context 3 x 3: squeeze"),
    (None, r"ssh\d\.conv3x3\.1", "context 3 x 3: squeeze batch norm"),
    (None, r"ssh\d\.conv3x3\.2", "context 3 x 3: squeeze activation"),
    (r"ssh\d\.conv3X3\.0\.modulator_conv", None, "context 3 x 3: masks"),
    (r"ssh\d\.conv3X3\.0\.offset_conv", None, "context 3 x 3: offsets"),
    (r"ssh\d\.conv3X3\.0", r"ssh\d\.conv3x3\.3", "context 3 x 3: convolution"),
    (r"ssh\d\.conv3X3\.1", r"ssh\d\.conv3x3\.4", "context 3 x 3: batch norm"),
    (None, r"ssh\d\.conv5x5_1\.0", "context 5 x 5 and 7 x 7: squeeze"),
    (None, r"ssh\d\.conv5x5_1\.1", "context 5 x 5 and 7 x 7: squeeze batch norm"),
    (None, r"ssh\d\.conv5x5_1\.2", "context 5 x 5 and 7 x 7: squeeze activation"),
    (r"ssh\d\.conv5X5_1\.0\.modulator_conv", None, "context 5 x 5 and 7 x 7: masks"),
    (r"ssh\d\.conv5X5_1\.0\.offset_conv", None, "context 5 x 5 and 7 x 7: offsets"),
    (r"ssh\d\.conv5X5_1\.0", r"ssh\d\.conv5x5_1\.3", "context 5 x 5 and 7 x 7: convolution"),
    (r"ssh\d\.conv5X5_1\.1", r"ssh\d\.conv5x5_1\.4", "context 5 x 5 and 7 x 7: batch norm"),
    (r"ssh\d\.conv5X5_1\.2", None, "context 5 x 5 and 7 x 7: activation"),
    (r"ssh\d\.conv5X5_2\.0\.modulator_conv", None, "context 5 x 5: masks"),
    (r"ssh\d\.conv5X5_2\.0\.offset_conv", None, "context 5 x 5: offsets"),
    (r"ssh\d\.conv5X5_2\.0", r"ssh\d\.conv5x5_2\.0", "context 5 x 5: convolution"),
    (r"ssh\d\.conv5X5_2\.1", r"ssh\d\.conv5x5_2\.1", "context 5 x 5: batch norm"),
    (r"ssh\d\.conv7X7_2\.0\.modulator_conv", None, "context 7 x 7, first: masks"),
    (r"ssh\d\.conv7X7_2\.0\.offset_conv", None, "context 7 x 7, first: offsets"),
    (r"ssh\d\.conv7X7_2\.0", r"ssh\d\.conv7x7_2\.0", "context 7 x 7, first: convolution"),
    (r"ssh\d\.conv7X7_2\.1", r"ssh\d\.conv7x7_2\.1", "context 7 x 7, first: batch norm"),
    (r"ssh\d\.conv7X7_2\.2", r"ssh\d\.conv7x7_2\.2", "context 7 x 7, first: activation"),
    (r"ssh\d\.conv7x7_3\.0\.modulator_conv", None, "context 7 x 7, second: masks"),
    (r"ssh\d\.conv7x7_3\.0\.offset_conv", None, "context 7 x 7, second: offsets"),
    (r"ssh\d\.conv7x7_3\.0", r"ssh\d\.conv7x7_3\.0", "context 7 x 7, second: convolution"),
    (r"ssh\d\.conv7x7_3\.1", r"ssh\d\.conv7x7_3\.1", "context 7 x 7, second: batch norm"),
    (r"ssh\d_cs\.0", r"ssh\d_cs\.shuffle", "shuffle: shuffle"),
    (r"ssh\d_cs\.1", r"ssh\d_cs\.conv\.0", "shuffle: narrow"),
    (r"ssh\d_cs\.2", r"ssh\d_cs\.conv\.1", "shuffle: narrow batch norm"),
    (None, r"ssh\d_cs\.conv\.2", "shuffle: narrow activation"),
    (r"ssh\d_cs\.3", None, "shuffle: depthwise"),
    (r"ssh\d_cs\.4", None, "shuffle: depthwise batch norm"),
    (r"ssh\d_cs\.5", r"ssh\d_cs\.conv\.3", "shuffle: widen"),
    (r"ssh\d_cs\.6", r"ssh\d_cs\.conv\.4", "shuffle: widen batch norm"),
    (r"ssh\d_cs\.7", r"ssh\d_cs\.conv\.5", "shuffle: activation"),
    (r"BboxHead\.\d\.conv1x1", r"shared_heads\.\d\.bbox_head", "head: boxes"),
    (r"ClassHead\.\d\.conv1x1", r"shared_heads\.\d\.cls_head", "head: classes"),
    (r"LandmarkHead\.\d\.conv1x1", r"shared_heads\.\d\.ldm_head", "head: landmarks"),
)
_PATTERNS = {
    key: tuple((re.compile(row[column]), row[-1]) for row in _ROLES if row[column])
    for column, key in enumerate(("v1", "v2"))
}
# channel gates work on vectors, so their level shows in the path only; the number that follows is P3's
_GATE_LEVELS = (
    (re.compile(r"bacbkbone_(\d)_cbam\.ChannelGate"), 0),
    (re.compile(r"bif_cbam_(\d)\.ChannelGate"), 0),
    (re.compile(r"channel_gates\.stage(\d)\."), 1),
    (re.compile(r"channel_gates\.p(\d)\."), 3),
)


def role_of(key: str, path: str) -> str:
    """What the layer at `path` of model `key` does, in words that both models share."""
    for pattern, role in _PATTERNS.get(key, ()):
        found = pattern.fullmatch(path)
        if found:
            return role.format(*found.groups())
    return path


def level_of(path: str) -> str:
    """The level, "P3" to "P5", of a channel gate's layer; "" for any other path."""
    for pattern, first in _GATE_LEVELS:
        found = pattern.search(path)
        if found:
            return f"P{int(found[1]) - first + 3}"
    return ""
