"""The page at /docs: the OpenAPI document for people, without scripts and without anything from elsewhere."""

from functools import cache
from html import escape
from typing import Any

import msgspec

from crm.core.errors import Problem, tree

_STYLE = (
    "body{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "h3{font-size:1rem;margin:1.5rem 0 0;font-family:ui-monospace,monospace}"
    "b{display:inline-block;min-width:4rem}p{margin:0 0 0 4rem}i{color:#666}code{background:#f3f3f3}"
    "@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}code{background:#222}i{color:#999}a{color:#8bf}}"
)


@cache
def page(document: bytes) -> str:
    """The page, as HTML; `#<code>` leads to an error, as the `type` of each problem does."""
    spec = msgspec.json.decode(document)
    doors = [_door(method, path, door) for path, doors in spec["paths"].items() for method, door in doors.items()]
    errors = [_error(kind) for kind in tree()]
    info = spec["info"]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>API</title><style>{_STYLE}</style>'
        f"<h1>{escape(info['title'])}</h1><div>{escape(info['description'])} "
        f'For programs: <a href="/openapi.json">/openapi.json</a></div>'
        f"<h2>Doors</h2>{''.join(doors)}<h2>Errors</h2>{''.join(errors)}"
    )


def _door(method: str, path: str, door: dict[str, Any]) -> str:
    query = ", ".join(param["name"] for param in door["parameters"] if param["in"] == "query")
    shapes = [f"query: <code>{escape(query)}</code>"] if query else []
    body = door.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if "$ref" in body:
        shapes.append(f"body: <code>{escape(body['$ref'].rpartition('/')[2])}</code>")
    head = f"<h3><b>{method.upper()}</b> {escape(path)}</h3>"
    text = f"<p>{escape(door['summary'])} <i>{escape(door['description'])}</i></p>"
    return head + text + (f"<p>{' · '.join(shapes)}</p>" if shapes else "")


def _error(kind: type[Problem]) -> str:
    return f'<h3 id="{kind.code}"><b>{kind.status}</b> {kind.code}</h3><p>{escape(kind.en)}</p>'
