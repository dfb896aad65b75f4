"""The sliders for confidence, NMS and input size, as every page that detects faces shows them."""

from __future__ import annotations

import streamlit as st

from featherface.config import (
    CONFIDENCE_RANGE,
    DEFAULT_CONFIDENCE,
    DEFAULT_INPUT_SIZE,
    DEFAULT_NMS_IOU,
    INPUT_SIZE_RANGE,
    NMS_IOU_RANGE,
)

__all__ = ["choose_confidence", "choose_longer_side", "choose_nms_iou"]

_STEP_PIXELS = 32  # the coarsest stride of the networks


def choose_confidence(
    key: str, *, prefix: str = "", note: str = "", lowest: float = CONFIDENCE_RANGE[0]
) -> float:
    """Show the slider of the confidence threshold, bound to the page's address, and return its value.

    `prefix` stands before the label, `note` after the help.
    """
    return float(
        st.slider(
            f"{prefix}Confidence",
            lowest,
            CONFIDENCE_RANGE[1],
            DEFAULT_CONFIDENCE,
            step=0.01,
            key=key,
            help=f"Keep faces with a score above this threshold. {note}".rstrip(),
            bind="query-params",
        )
    )


def choose_nms_iou(key: str, *, prefix: str = "", note: str = "") -> float:
    """Show the slider of the IoU threshold of NMS; the arguments are those of `choose_confidence`."""
    return float(
        st.slider(
            f"{prefix}NMS IoU",
            *NMS_IOU_RANGE,
            DEFAULT_NMS_IOU,
            step=0.05,
            key=key,
            help="Non-maximum suppression: of two boxes that overlap more than this, keep the higher-scoring "
            f"one. {note}".rstrip(),
            bind="query-params",
        )
    )


def choose_longer_side(key: str, explanation: str) -> int:
    """Show the slider of the input size, bound to the page's address, and return it in pixels."""
    return int(
        st.slider(
            "Input size: longer side (px)",
            *INPUT_SIZE_RANGE,
            DEFAULT_INPUT_SIZE,
            step=_STEP_PIXELS,
            key=key,
            help=explanation,
            bind="query-params",
        )
    )
