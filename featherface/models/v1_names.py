"""What the modules of FeatherFace V1 are called in tables and diagrams."""

from __future__ import annotations

from featherface.models.module_names import ModuleNames

__all__ = ["V1_NAMES"]

# what a layer does; V1 and V2 use the same words for the same job, so that their layers can be paired
_ROLES = {
    r"body\.(stage\d\.\d\.\d)": "backbone {}",
    r"bacbkbone_\d_cbam\.ChannelGate\.mlp\.0": "backbone attention, channel gate: flatten",
    r"bacbkbone_\d_cbam\.ChannelGate\.mlp\.1": "backbone attention, channel gate: squeeze",
    r"bacbkbone_\d_cbam\.ChannelGate\.mlp\.2": "backbone attention, channel gate: activation",
    r"bacbkbone_\d_cbam\.ChannelGate\.mlp\.3": "backbone attention, channel gate: expand",
    r"bacbkbone_\d_cbam\.SpatialGate\.spatial\.conv": "backbone attention, spatial gate: convolution",
    r"bacbkbone_\d_cbam\.SpatialGate\.spatial\.bn": "backbone attention, spatial gate: batch norm",
    r"bifpn\.(\d)": "BiFPN cell {}: fusion weights",
    r"bifpn\.(\d)\.p\d_down_channel\.0\.conv": "BiFPN cell {}, projection: convolution",
    r"bifpn\.(\d)\.p\d_down_channel\.1": "BiFPN cell {}, projection: batch norm",
    r"bifpn\.(\d)\.p\d_down_channel_2\.0\.conv": "BiFPN cell {}, second projection: convolution",
    r"bifpn\.(\d)\.p\d_down_channel_2\.1": "BiFPN cell {}, second projection: batch norm",
    r"bifpn\.(\d)\.conv\d_(up|down)\.depthwise_conv\.conv": "BiFPN cell {}, {}: depthwise",
    r"bifpn\.(\d)\.conv\d_(up|down)\.pointwise_conv\.conv": "BiFPN cell {}, {}: pointwise",
    r"bifpn\.(\d)\.conv\d_(up|down)\.bn": "BiFPN cell {}, {}: batch norm",
    r"bif_cbam_\d\.ChannelGate\.mlp\.0": "pyramid attention, channel gate: flatten",
    r"bif_cbam_\d\.ChannelGate\.mlp\.1": "pyramid attention, channel gate: squeeze",
    r"bif_cbam_\d\.ChannelGate\.mlp\.2": "pyramid attention, channel gate: activation",
    r"bif_cbam_\d\.ChannelGate\.mlp\.3": "pyramid attention, channel gate: expand",
    r"bif_cbam_\d\.SpatialGate\.spatial\.conv": "pyramid attention, spatial gate: convolution",
    r"bif_cbam_\d\.SpatialGate\.spatial\.bn": "pyramid attention, spatial gate: batch norm",
    r"ssh\d\.conv3X3\.0\.modulator_conv": "context 3 x 3: masks",
    r"ssh\d\.conv3X3\.0\.offset_conv": "context 3 x 3: offsets",
    r"ssh\d\.conv3X3\.0": "context 3 x 3: convolution",
    r"ssh\d\.conv3X3\.1": "context 3 x 3: batch norm",
    r"ssh\d\.conv5X5_1\.0\.modulator_conv": "context 5 x 5 and 7 x 7: masks",
    r"ssh\d\.conv5X5_1\.0\.offset_conv": "context 5 x 5 and 7 x 7: offsets",
    r"ssh\d\.conv5X5_1\.0": "context 5 x 5 and 7 x 7: convolution",
    r"ssh\d\.conv5X5_1\.1": "context 5 x 5 and 7 x 7: batch norm",
    r"ssh\d\.conv5X5_1\.2": "context 5 x 5 and 7 x 7: activation",
    r"ssh\d\.conv5X5_2\.0\.modulator_conv": "context 5 x 5: masks",
    r"ssh\d\.conv5X5_2\.0\.offset_conv": "context 5 x 5: offsets",
    r"ssh\d\.conv5X5_2\.0": "context 5 x 5: convolution",
    r"ssh\d\.conv5X5_2\.1": "context 5 x 5: batch norm",
    r"ssh\d\.conv7X7_2\.0\.modulator_conv": "context 7 x 7, first: masks",
    r"ssh\d\.conv7X7_2\.0\.offset_conv": "context 7 x 7, first: offsets",
    r"ssh\d\.conv7X7_2\.0": "context 7 x 7, first: convolution",
    r"ssh\d\.conv7X7_2\.1": "context 7 x 7, first: batch norm",
    r"ssh\d\.conv7X7_2\.2": "context 7 x 7, first: activation",
    r"ssh\d\.conv7x7_3\.0\.modulator_conv": "context 7 x 7, second: masks",
    r"ssh\d\.conv7x7_3\.0\.offset_conv": "context 7 x 7, second: offsets",
    r"ssh\d\.conv7x7_3\.0": "context 7 x 7, second: convolution",
    r"ssh\d\.conv7x7_3\.1": "context 7 x 7, second: batch norm",
    r"ssh\d_cs\.0": "shuffle: shuffle",
    r"ssh\d_cs\.1": "shuffle: narrow",
    r"ssh\d_cs\.2": "shuffle: narrow batch norm",
    r"ssh\d_cs\.3": "shuffle: depthwise",
    r"ssh\d_cs\.4": "shuffle: depthwise batch norm",
    r"ssh\d_cs\.5": "shuffle: widen",
    r"ssh\d_cs\.6": "shuffle: widen batch norm",
    r"ssh\d_cs\.7": "shuffle: activation",
    r"BboxHead\.\d\.conv1x1": "head: boxes",
    r"ClassHead\.\d\.conv1x1": "head: classes",
    r"LandmarkHead\.\d\.conv1x1": "head: landmarks",
}
# channel gates work on vectors, so their level cannot be read from a shape
_LEVELS = {
    r"bacbkbone_0_cbam\.ChannelGate\..*": "P3",
    r"bacbkbone_1_cbam\.ChannelGate\..*": "P4",
    r"bacbkbone_2_cbam\.ChannelGate\..*": "P5",
    r"bif_cbam_0\.ChannelGate\..*": "P3",
    r"bif_cbam_1\.ChannelGate\..*": "P4",
    r"bif_cbam_2\.ChannelGate\..*": "P5",
}
_DIAGRAM = {
    r"body\.stage(\d)": "Backbone stage {}",
    r"bacbkbone_\d_cbam|bif_cbam_\d": "CBAM",
    r"bifpn\.(\d)": "BiFPN cell {}",
    r"ssh\d": "SSH",
    r"ssh\d_cs": "Channel shuffle",
    r"BboxHead\.\d": "Boxes",
    r"ClassHead\.\d": "Scores",
    r"LandmarkHead\.\d": "Landmarks",
}
V1_NAMES = ModuleNames(
    groups={
        "Backbone": ("body.",),
        "CBAM": ("bacbkbone_", "bif_cbam_"),
        "BiFPN": ("bifpn.",),
        "SSH": ("ssh",),
        "Heads": ("ClassHead.", "BboxHead.", "LandmarkHead."),
    },
    roles=_ROLES,
    levels=_LEVELS,
    diagram=_DIAGRAM,
    opened=("body", "bifpn"),
)
