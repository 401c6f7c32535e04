"""The description of the REST API as a page for people, made of the OpenAPI document.

Not here: what is described (``routes``, ``openapi``). It loads nothing but one style sheet of ours.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from html import escape
from typing import Any

from fastapi import FastAPI
from starlette.responses import HTMLResponse

__all__ = ["endpoint", "page"]

_Node = Mapping[str, Any]
_TOP = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} REST API</title>
<link rel="icon" href="../../static/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="../../static/css/api.css"></head>
<body><header><h1>{title} REST API <small>{version}</small></h1>
<p><a href="../../">Studio</a> · <a href="openapi.json">openapi.json</a>, for client generators</p>
</header>
<nav aria-label="Endpoints">{nav}</nav>
<main>{about}
"""


def endpoint(app: FastAPI) -> Callable[[], Awaitable[HTMLResponse]]:
    """Return the endpoint that answers with the page of an application."""

    async def docs() -> HTMLResponse:
        return HTMLResponse(page(app.openapi()))

    return docs


def page(document: _Node) -> str:
    """Return the page that an OpenAPI document describes."""
    info, operations = document["info"], _operations(document)
    tags = [tag["name"] for tag in document["tags"]]
    nav = "".join(_links(tag, operations) for tag in tags)
    about = "".join(f"<p>{_text(part)}</p>" for part in info["description"].split("\n\n"))
    parts = [
        _TOP.format(
            title=escape(info["title"]), version=escape(info["version"]), nav=nav, about=about
        )
    ]
    for tag in document["tags"]:
        parts.append(f"<section><h2>{escape(tag['name'])}</h2><p>{_text(tag['description'])}</p>")
        parts += [_operation(*one) for one in operations if one[2]["tags"] == [tag["name"]]]
        parts.append("</section>")
    parts.append("<section><h2>Objects</h2>")
    parts += [_schema(name, one) for name, one in sorted(document["components"]["schemas"].items())]
    parts.append("</section></main></body></html>\n")
    return "".join(parts)


def _operations(document: _Node) -> list[tuple[str, str, _Node]]:
    return [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def _links(tag: str, operations: Sequence[tuple[str, str, _Node]]) -> str:
    links = "".join(_link(*one) for one in operations if one[2]["tags"] == [tag])
    return f"<h2>{escape(tag)}</h2><ul>{links}</ul>"


def _link(method: str, path: str, operation: _Node) -> str:
    shown = path.removeprefix("/api/v1")
    return f'<li><a href="#{operation["operationId"]}">{method} {escape(shown)}</a></li>'


def _operation(method: str, path: str, operation: _Node) -> str:
    parameters = "".join(_parameter(one) for one in operation.get("parameters", ()))
    bodies = operation.get("requestBody", {}).get("content", {})
    sent = "".join(
        f"<li><code>{escape(kind)}</code> {_kind(media.get('schema', {}))}</li>"
        for kind, media in bodies.items()
    )
    answers = "".join(
        _answer(status, one) for status, one in sorted(operation["responses"].items())
    )
    name, text = operation["operationId"], _text(operation.get("description", ""))
    return (
        f'<article id="{name}"><h3><b>{method}</b> <code>{escape(path)}</code></h3>'
        f"<p><strong>{_text(operation['summary'])}.</strong> {text}</p>"
        + (f"<h4>Parameters</h4><table>{parameters}</table>" if parameters else "")
        + (f"<h4>Body</h4><ul>{sent}</ul>" if sent else "")
        + f"<h4>Answers</h4><table>{answers}</table></article>"
    )


def _parameter(one: _Node) -> str:
    return _row(
        one["name"], one["in"], one["schema"], one.get("description", ""), bool(one.get("required"))
    )


def _answer(status: str, one: _Node) -> str:
    kinds = ", ".join(
        f"<code>{escape(kind)}</code> {_kind(media.get('schema', {}))}"
        for kind, media in one.get("content", {}).items()
    )
    headers = "".join(
        f"<br><code>{escape(name)}</code>: {_text(header['description'])}"
        for name, header in one.get("headers", {}).items()
    )
    text = _text(one["description"]) + headers
    return f"<tr><th scope=row>{status}</th><td>{text}</td><td>{kinds}</td></tr>"


def _schema(name: str, schema: _Node) -> str:
    required = schema.get("required", ())
    rows = "".join(
        _row(key, "", one, one.get("description", ""), key in required)
        for key, one in schema.get("properties", {}).items()
    )
    examples = "".join(
        f"<pre>{escape(json.dumps(example, indent=1, ensure_ascii=False))}</pre>"
        for example in schema.get("examples", ())
    )
    text = f"<p>{_text(schema.get('description', ''))}</p>"
    inner = f"{text}<table>{rows}</table>{examples}"
    return f'<article id="{name}"><h3>{escape(name)}</h3>{inner}</article>'


def _row(name: str, place: str, schema: _Node, text: str, required: bool) -> str:
    usual = json.dumps(schema["default"]) if schema.get("default") is not None else ""
    facts = "Required." if required else f"Usually <code>{escape(usual)}</code>." if usual else ""
    where = f" <small>{escape(place)}</small>" if place else ""
    return (
        f"<tr><th scope=row><code>{escape(name)}</code>{where}</th>"
        f"<td>{_text(text)} {facts}</td><td>{_kind(schema)}</td></tr>"
    )


def _kind(schema: _Node) -> str:
    """Return what a value is, in words, with links to objects."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#{name}">{escape(name)}</a>'
    for word, joined in (("anyOf", " or "), ("allOf", " and ")):
        if word in schema:
            return joined.join(filter(None, (_kind(one) for one in schema[word])))
    if "enum" in schema or "const" in schema:
        return ", ".join(
            f"<code>{escape(str(one))}</code>" for one in schema.get("enum", [schema.get("const")])
        )
    kind = str(schema.get("type", ""))
    if kind == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    if schema.get("format") == "binary":
        return "bytes"
    low, high = schema.get("minimum"), schema.get("maximum")
    bounds = f" {low:g} to {high:g}" if low is not None and high is not None else ""
    return escape({"null": "none"}.get(kind, kind) + bounds)


def _text(text: str) -> str:
    """Return plain text with `code` marked; nothing else of Markdown is used."""
    parts = escape(text, quote=False).split("`")
    return "".join(
        f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts)
    )
