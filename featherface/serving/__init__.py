"""The models as a service: caches, queues and threads, no Streamlit."""
