"""Weights: the catalogue of models, and the store that finds and verifies their files."""
