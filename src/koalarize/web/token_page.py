"""The page for a person who comes without the token: a field, and where the token is found.

Not here: who may come in (``web.server``). It loads nothing, since nothing is served without one.
"""

from __future__ import annotations

import base64
import hashlib

__all__ = ["token_page"]

_STYLE = """
:root { color-scheme: light dark }
body { font: 1rem/1.5 system-ui, sans-serif }
body { display: grid; place-items: center; min-height: 100vh; margin: 0 }
main { max-width: 24rem; padding: 1rem }
input, button { font: inherit; width: 100%; box-sizing: border-box }
input, button { padding: .6rem; margin: .4em 0 }
"""
_PAGE = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Koalarize: token</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{style}</style></head>
<body><main><h1>Koalarize studio</h1>
<p>{said}It was printed where <code>koalarize serve</code> was started.</p>
<form method="get"><label>Token
<input name="token" type="password" autocomplete="current-password" required autofocus></label>
<button>Open the studio</button></form></main></body></html>
"""


def token_page(*, wrong: bool) -> tuple[bytes, str]:
    """Return the page and its content security policy; ``wrong`` if a token was given."""
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
    said = "The token was wrong. " if wrong else "This studio asks for a token. "
    return _PAGE.format(style=_STYLE, said=said).encode(), policy
