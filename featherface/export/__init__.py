"""Files for other machines: ONNX and OpenVINO, at full, half and eight-bit precision."""
