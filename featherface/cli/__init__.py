"""The command line: `main.py` parses and dispatches, and each command is a file of its own."""
