"""Pictures to learn from: sources, filters, crops and hints (extra ``train``).

Not here: networks, losses. Nothing here imports torch but ``batches``.
"""
