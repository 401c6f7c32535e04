"""Other people's networks under their own parameter names, so that their weights load strictly.

Not here: reading their files (``load``), the ONNX made of them (``lab.export``), networks to train
(``lab.networks``). Written from descriptions of their layers; none of their code is here.
"""

from __future__ import annotations

from koalarize.lab.foreign.ddcolor import LARGE, TINY, DDColor, DDColorConfig
from koalarize.lab.foreign.zhang import ECCV16, Siggraph17

__all__ = ["ECCV16", "LARGE", "TINY", "DDColor", "DDColorConfig", "Siggraph17"]
