"""Average precision, the WIDER FACE protocol among others."""
