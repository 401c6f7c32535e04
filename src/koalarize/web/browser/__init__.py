"""The static page that colours photos in the browser itself.

Not here: the studio and its service (``web.studio``). ``site`` writes the folder, ``facts`` what
the page's JavaScript is told, ``runtime`` brings ONNX Runtime for browsers.
"""
