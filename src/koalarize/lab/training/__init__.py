"""Train and export networks: typed recipes, losses, the Lightning module (extra ``train``)."""
