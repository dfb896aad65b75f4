"""Video files: decoding, detection per frame, tracks, and annotated or anonymised copies."""
