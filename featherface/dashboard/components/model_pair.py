"""The choice of two models to compare; pages show it once more than two are registered."""

from __future__ import annotations

import streamlit as st

from featherface.models import MODELS, model_pairs

__all__ = ["choose_model_pair"]


def choose_model_pair() -> tuple[str, str]:
    """Return the keys of the two models to compare; ask which two once there are more.

    The choice is part of the page's address and the same on every page.
    """
    pairs = {
        f"{MODELS[first].name} vs {MODELS[second].name}": (first, second) for first, second in model_pairs()
    }
    if len(pairs) == 1:
        return next(iter(pairs.values()))
    chosen = st.selectbox("Compare", list(pairs), key="pair", width=360, bind="query-params")
    return pairs[chosen]
