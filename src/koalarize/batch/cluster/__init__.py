"""Archives on many machines: a manifest, portions, rows of results; needs the extra `cluster`."""
