"""What breaks a detector: corruptions of photos, recall under them, and why a face was missed."""
