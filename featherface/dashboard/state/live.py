"""Tokens and slots of the live view, shared by the page and the WebSocket."""

from __future__ import annotations

import streamlit as st

from featherface.serving.live_slots import LiveSlots, LiveTokens

__all__ = ["live_slots", "live_token", "live_tokens"]


@st.cache_resource(show_spinner=False)
def live_tokens() -> LiveTokens:
    """Return the tokens that this process has issued."""
    return LiveTokens()


@st.cache_resource(show_spinner=False)
def live_slots() -> LiveSlots:
    """Return the slots for live sessions of this process."""
    return LiveSlots()


def live_token() -> str:
    """Return this session's token, one for as long as the session lasts."""
    token = st.session_state.get("live_token")
    if token is None or not live_tokens().valid(token):
        token = st.session_state["live_token"] = live_tokens().issue()
    return str(token)
