"""What the pages share; the only package that knows Streamlit."""
