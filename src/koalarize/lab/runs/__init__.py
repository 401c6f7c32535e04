"""What a run is and leaves behind: its recipe, its checkpoints, its history.

Not here: the training itself (``lab.training``).
"""
