"""Count and time networks."""
