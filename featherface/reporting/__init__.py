"""Figures, tables, wording and reports, without Streamlit."""
