"""Counting and timing networks."""
