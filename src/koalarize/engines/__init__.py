"""Run a network: lightness and hint planes in, ab out."""
