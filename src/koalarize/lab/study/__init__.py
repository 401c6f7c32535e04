"""The real test of a colorizer, served on this machine: can a person tell real from recoloured?

Not here: scores that need no person (``lab.evaluation``). Stands on the Colorizer, below ``cli``.
"""
