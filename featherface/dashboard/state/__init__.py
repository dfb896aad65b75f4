"""What a session or the process remembers."""
