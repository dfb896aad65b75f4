"""What the pages share; the only package that knows Streamlit.

Streamlit takes a folder `pages` for its older kind of multipage app until `app.py` has declared its
navigation once. The first visitor of a fresh server who comes by a deep link would get a page without its
frame. So the first page that imports this package, once a process, makes Streamlit start over from `app.py`.
"""

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

if PagesManager.uses_pages_directory:
    PagesManager.uses_pages_directory = False
    st.rerun()
