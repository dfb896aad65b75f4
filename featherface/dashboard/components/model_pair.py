"""The choice of two models to compare; pages show it once there are more than two."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from featherface.dashboard.state.own_detectors import available_detectors
from featherface.models import MODELS, detector_entry, model_pairs

__all__ = ["choose_detector_pair", "choose_model_pair", "select_detector"]

_PAIR, _DETECTORS = "pair", "detectors"  # keys, in the page's address too
_TO_SELECT = "detector_to_select"  # key of a detector, until the next run


def choose_model_pair() -> tuple[str, str]:
    """Return the keys of the two models to compare; ask which two once there are more.

    The choice is part of the page's address and the same on every page.
    """
    return _choose(model_pairs(), _PAIR)


def choose_detector_pair() -> tuple[str, str]:
    """Return the keys of two models or other detectors; ask which two where a model file is there.

    The choice is apart from that of `choose_model_pair`, as other pages compare models alone.
    """
    others = available_detectors()
    if not others:
        return choose_model_pair()
    pairs = model_pairs(others)
    new = st.session_state.pop(_TO_SELECT, None)
    if new in others:
        st.session_state[_DETECTORS] = _name((list(MODELS)[-1], new))
    elif st.session_state.get(_DETECTORS) not in (None, *map(_name, pairs)):  # its file was removed
        del st.session_state[_DETECTORS]
    return _choose(pairs, _DETECTORS)


def select_detector(key: str) -> None:
    """Compare the last of the models with detector `key` from the next run on."""
    st.session_state[_TO_SELECT] = key


def _choose(pairs: Sequence[tuple[str, str]], key: str) -> tuple[str, str]:
    named = {_name(pair): pair for pair in pairs}
    if len(named) == 1:
        return pairs[0]
    return named[st.selectbox("Compare", list(named), key=key, width=360, bind="query-params")]


def _name(pair: tuple[str, str]) -> str:
    return " vs ".join(detector_entry(key).name for key in pair)
