"""The server process: its settings, headers and sessions."""
