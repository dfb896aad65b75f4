"""Judge the study's claims by measurements."""
