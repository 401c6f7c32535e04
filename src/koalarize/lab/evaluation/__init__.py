"""Measure coloured pictures against their originals (extra ``train``).

Not here: colouring (``colorizer``), training, showcase pictures.
"""
