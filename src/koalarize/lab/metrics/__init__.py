"""Scores of coloured pictures against their originals."""
