"""What the measurements say about the study's claims."""
