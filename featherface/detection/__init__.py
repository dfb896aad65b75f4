"""Photos in, `Detections` out."""
