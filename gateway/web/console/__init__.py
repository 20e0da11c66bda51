"""The console: a static page that shows rooms and their events.

Anyone can load it. Its requests use the credential that its user enters.
"""

from importlib import resources

from aiohttp import web
from aiohttp.typedefs import Handler

_TYPES = {"index.html": "text/html", "console.js": "text/javascript", "console.css": "text/css"}
# The page may load its own files and call this gateway, nothing else: text in an event,
# such as a room's name, cannot load or send anything.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; "
    "form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def mount(app: web.Application) -> None:
    """Adds the page at `/` and its files below `/console/`. Reads the files once."""
    for name, content_type in _TYPES.items():
        path = "/" if name == "index.html" else f"/console/{name}"
        app.router.add_get(
            path, _page((resources.files(__name__) / name).read_bytes(), content_type)
        )


def _page(body: bytes, content_type: str) -> Handler:
    async def show(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type=content_type, charset="utf-8", headers=_HEADERS)

    return show
