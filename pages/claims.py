"""Claims audit: every number of the original study, measured again."""

from __future__ import annotations

from featherface.dashboard.components.claims_panel import show_claims
from featherface.dashboard.components.page_title import show_title
from featherface.dashboard.state.study_measurements import measurements
from featherface.study.claims import audit

show_title("Claims audit")
show_claims(audit(measurements()))
