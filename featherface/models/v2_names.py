"""What the modules of FeatherFace V2 are called in tables and diagrams."""

from __future__ import annotations

from featherface.models.module_names import ModuleNames

__all__ = ["V2_NAMES"]

# what a layer does; V1 and V2 use the same words for the same job, so that their layers can be paired
_ROLES = {
    r"body\.(stage\d\.\d\.\d)": "backbone {}",
    r"backbone_cbam_manager\.channel_gates\.\w+\.mlp\.0": "backbone attention, channel gate: squeeze",
    r"backbone_cbam_manager\.channel_gates\.\w+\.mlp\.1": "backbone attention, channel gate: activation",
    r"backbone_cbam_manager\.channel_gates\.\w+\.mlp\.2": "backbone attention, channel gate: expand",
    r"backbone_cbam_manager\.spatial_gate\.spatial\.0": "backbone attention, spatial gate: convolution",
    r"backbone_cbam_manager\.spatial_gate\.spatial\.1": "backbone attention, spatial gate: batch norm",
    r"bifpn\.(\d)": "BiFPN cell {}: fusion weights",
    r"bifpn\.(\d)\.p\d_down_channel\.0": "BiFPN cell {}, projection: convolution",
    r"bifpn\.(\d)\.p\d_down_channel\.1": "BiFPN cell {}, projection: batch norm",
    r"bifpn\.(\d)\.conv\d_(up|down)\.depthwise": "BiFPN cell {}, {}: depthwise",
    r"bifpn\.(\d)\.conv\d_(up|down)\.bn1": "BiFPN cell {}, {}: batch norm of depthwise",
    r"bifpn\.(\d)\.conv\d_(up|down)\.pointwise": "BiFPN cell {}, {}: pointwise",
    r"bifpn\.(\d)\.conv\d_(up|down)\.bn2": "BiFPN cell {}, {}: batch norm",
    r"bifpn_cbam_manager\.channel_gates\.\w+\.mlp\.0": "pyramid attention, channel gate: squeeze",
    r"bifpn_cbam_manager\.channel_gates\.\w+\.mlp\.1": "pyramid attention, channel gate: activation",
    r"bifpn_cbam_manager\.channel_gates\.\w+\.mlp\.2": "pyramid attention, channel gate: expand",
    r"bifpn_cbam_manager\.spatial_gate\.spatial\.0": "pyramid attention, spatial gate: convolution",
    r"bifpn_cbam_manager\.spatial_gate\.spatial\.1": "pyramid attention, spatial gate: batch norm",
    r"ssh\d\.conv3x3\.0": "context 3 x 3: squeeze",
    r"ssh\d\.conv3x3\.1": "context 3 x 3: squeeze batch norm",
    r"ssh\d\.conv3x3\.2": "context 3 x 3: squeeze activation",
    r"ssh\d\.conv3x3\.3": "context 3 x 3: convolution",
    r"ssh\d\.conv3x3\.4": "context 3 x 3: batch norm",
    r"ssh\d\.conv5x5_1\.0": "context 5 x 5 and 7 x 7: squeeze",
    r"ssh\d\.conv5x5_1\.1": "context 5 x 5 and 7 x 7: squeeze batch norm",
    r"ssh\d\.conv5x5_1\.2": "context 5 x 5 and 7 x 7: squeeze activation",
    r"ssh\d\.conv5x5_1\.3": "context 5 x 5 and 7 x 7: convolution",
    r"ssh\d\.conv5x5_1\.4": "context 5 x 5 and 7 x 7: batch norm",
    r"ssh\d\.conv5x5_2\.0": "context 5 x 5: convolution",
    r"ssh\d\.conv5x5_2\.1": "context 5 x 5: batch norm",
    r"ssh\d\.conv7x7_2\.0": "context 7 x 7, first: convolution",
    r"ssh\d\.conv7x7_2\.1": "context 7 x 7, first: batch norm",
    r"ssh\d\.conv7x7_2\.2": "context 7 x 7, first: activation",
    r"ssh\d\.conv7x7_3\.0": "context 7 x 7, second: convolution",
    r"ssh\d\.conv7x7_3\.1": "context 7 x 7, second: batch norm",
    r"ssh\d_cs\.shuffle": "shuffle: shuffle",
    r"ssh\d_cs\.conv\.0": "shuffle: narrow",
    r"ssh\d_cs\.conv\.1": "shuffle: narrow batch norm",
    r"ssh\d_cs\.conv\.2": "shuffle: narrow activation",
    r"ssh\d_cs\.conv\.3": "shuffle: widen",
    r"ssh\d_cs\.conv\.4": "shuffle: widen batch norm",
    r"ssh\d_cs\.conv\.5": "shuffle: activation",
    r"shared_heads\.\d\.bbox_head": "head: boxes",
    r"shared_heads\.\d\.cls_head": "head: classes",
    r"shared_heads\.\d\.ldm_head": "head: landmarks",
}
# channel gates work on vectors, so their level cannot be read from a shape
_LEVELS = {
    r"backbone_cbam_manager\.channel_gates\.stage1\..*": "P3",
    r"backbone_cbam_manager\.channel_gates\.stage2\..*": "P4",
    r"backbone_cbam_manager\.channel_gates\.stage3\..*": "P5",
    r"bifpn_cbam_manager\.channel_gates\.p(\d)\..*": "P{}",
}
_DIAGRAM = {
    r"body\.stage(\d)": "Backbone stage {}",
    r"backbone_cbam_manager|bifpn_cbam_manager": "CBAM, shared spatial gate",
    r"bifpn\.(\d)": "BiFPN cell {}",
    r"ssh\d": "SSH",
    r"ssh\d_cs": "Channel shuffle",
    r"shared_heads\.\d": "Heads",
}
V2_NAMES = ModuleNames(
    groups={
        "Backbone": ("body.",),
        "CBAM": ("backbone_cbam_manager.", "bifpn_cbam_manager."),
        "BiFPN": ("bifpn.",),
        "SSH": ("ssh",),
        "Heads": ("shared_heads.",),
    },
    roles=_ROLES,
    levels=_LEVELS,
    diagram=_DIAGRAM,
    opened=("body", "bifpn"),
)
