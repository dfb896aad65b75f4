"""Detection: both models on a person's own photos, side by side."""

from __future__ import annotations

import streamlit as st

st.title("Two detectors, one photo")
