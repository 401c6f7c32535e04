"""The laboratory: networks, data, training, export, metrics, evaluation; needs the extra `train`."""
