"""The choice of two models to compare; pages show it once there are more than two."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from featherface.dashboard.state.own_detectors import available_detectors
from featherface.models import MODELS, detector_entry, model_pairs

__all__ = ["choose_detector_pair", "choose_model_pair", "pair_address", "select_detector"]

_PAIR, _DETECTORS = "pair", "detectors"  # keys, in the page's address too
_TO_SELECT = "detector_to_select"  # key of a detector, until the next run
_CHOSEN = "chosen_detectors"  # name of the pair, for the other pages


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
    names = [_name(pair) for pair in pairs]
    new = st.session_state.pop(_TO_SELECT, None)
    if new in others:
        st.session_state[_CHOSEN] = st.session_state[_DETECTORS] = _name((list(MODELS)[-1], new))
    elif st.session_state.get(_DETECTORS) not in (None, *names):  # its file was removed
        del st.session_state[_DETECTORS]
    elif _DETECTORS not in st.query_params and st.session_state.get(_CHOSEN) in names:
        st.session_state[_DETECTORS] = st.session_state[_CHOSEN]  # Streamlit forgets it on another page
    pair = _choose(pairs, _DETECTORS, on_change=_keep_choice)
    st.session_state[_CHOSEN] = _name(pair)
    return pair


def select_detector(key: str) -> None:
    """Compare the last of the models with detector `key` from the next run on."""
    st.session_state[_TO_SELECT] = key


def pair_address(pair: tuple[str, str]) -> dict[str, str]:
    """Return the part of a page's address that makes `choose_detector_pair` return `pair`."""
    others = available_detectors()
    if len(model_pairs(others)) == 1:
        return {}  # nothing to choose from
    return {_DETECTORS if others else _PAIR: _name(pair)}


def _keep_choice() -> None:
    """Remember a choice before the page runs: the address does not carry the first of the pairs."""
    st.session_state[_CHOSEN] = st.session_state[_DETECTORS]


def _choose(
    pairs: Sequence[tuple[str, str]], key: str, on_change: Callable[[], None] | None = None
) -> tuple[str, str]:
    named = {_name(pair): pair for pair in pairs}
    if len(named) == 1:
        return pairs[0]
    chosen = st.selectbox(
        "Compare", list(named), key=key, width=360, bind="query-params", on_change=on_change
    )
    return named[chosen]


def _name(pair: tuple[str, str]) -> str:
    return " vs ".join(detector_entry(key).name for key in pair)
