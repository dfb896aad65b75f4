"""FeatherFace Compare: two light face detectors, judged side by side on your own photos."""
