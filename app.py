"""FeatherFace Compare: the launcher. Run with `make run`, `streamlit run app.py` or `python app.py`."""

from __future__ import annotations

import streamlit as st

from featherface.dashboard.server.lifespan import lifespan
from featherface.dashboard.server.routes import ROUTES
from featherface.dashboard.server.security_headers import MIDDLEWARE

app = st.App(
    "featherface/dashboard/frame.py",
    routes=ROUTES,
    middleware=MIDDLEWARE,
    lifespan=lifespan,
)

if __name__ == "__main__":
    app.run()
