"""The laboratory: networks, data, training, export, metrics, evaluation (extra `train`)."""
