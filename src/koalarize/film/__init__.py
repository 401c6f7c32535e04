"""Films: read, shots, steady colours, written whole; needs the extra `video`."""
