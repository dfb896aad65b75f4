"""Files of trained weights and their records."""
