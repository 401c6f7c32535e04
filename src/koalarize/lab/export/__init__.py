"""From a checkpoint to a model file that anybody can run."""
