"""Train networks: losses, the Lightning module, what happens around it (extra ``train``)."""
