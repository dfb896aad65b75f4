"""Compare two lightweight face detectors on your own photos."""
