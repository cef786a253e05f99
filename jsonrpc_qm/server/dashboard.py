"""The dashboard: a page of static files, which calls /rpc and listens to /events."""

import gzip
import hashlib
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, NamedTuple

from aiohttp import ETag, hdrs, web

from jsonrpc_qm.server.events import Events
from jsonrpc_qm.server.page_script import joined
from jsonrpc_qm.server.service import Service

TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".svg": "image/svg+xml",
}
"""What is served of the folder, by the ending of a file's name, and as what."""

SCRIPT = "main.js"
"""Where the page begins; all its modules are sent as one, under this name."""

FOR_EVER = "public, max-age=31536000, immutable"


class PageFile(NamedTuple):
    """One file, ready to be sent."""

    type: str
    plain: bytes
    compressed: bytes
    digest: str

    @classmethod
    def of(cls, name: str, content: bytes) -> "PageFile":
        compressed = gzip.compress(content, mtime=0)
        return cls(TYPES[_ending(name)], content, compressed, hashlib.sha256(content).hexdigest())

    def response(self, request: web.Request, caching: str) -> web.Response:
        """The answer for this request: compressed where it may be, empty where it is known."""
        etag = ETag(self.digest[:16], is_weak=True)
        known = any(tag.value in (etag.value, "*") for tag in request.if_none_match or ())
        response = web.Response(status=304 if known else 200)
        response.etag = etag
        response.headers[hdrs.CACHE_CONTROL] = caching
        response.headers[hdrs.VARY] = hdrs.ACCEPT_ENCODING
        if known:
            return response
        response.content_type = self.type
        response.charset = "utf-8"
        if "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, ""):
            response.headers[hdrs.CONTENT_ENCODING] = "gzip"
            response.body = self.compressed
        else:
            response.body = self.plain
        return response


class Page:
    """The files of the folder `page`, read when somebody first looks at them.

    All but index.html are served under a path that changes with their content, so that a browser
    may keep them for ever.
    """

    async def index(self, request: web.Request) -> web.Response:
        """Answer `GET /`."""
        return self._index.response(request, "no-cache")

    async def file(self, request: web.Request) -> web.Response:
        """Answer `GET /page/{version}/{name}`."""
        found = self._files.get(request.match_info["name"])
        if found is None or request.match_info["version"] != self._version:
            raise web.HTTPNotFound
        return found.response(request, FOR_EVER)

    @cached_property
    def _files(self) -> dict[str, PageFile]:
        folder = files("jsonrpc_qm.server").joinpath("page")
        found = {name: entry.read_bytes() for name, entry in _within(folder)}
        modules = {name: found.pop(name).decode() for name in list(found) if name.endswith(".js")}
        found[SCRIPT] = joined(modules, SCRIPT).encode()
        return {name: PageFile.of(name, content) for name, content in found.items()}

    @cached_property
    def _version(self) -> str:
        every = "".join(f"{name} {file.digest}\n" for name, file in sorted(self._files.items()))
        return hashlib.sha256(every.encode()).hexdigest()[:16]

    @cached_property
    def _index(self) -> PageFile:
        text = self._files["index.html"].plain.replace(b"VERSION", self._version.encode())
        return PageFile.of("index.html", text)


def _within(folder: Traversable, above: str = "") -> list[tuple[str, Traversable]]:
    """The files in a folder and its folders that are to be served, by their paths in it."""
    found = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found.extend(_within(entry, f"{above}{entry.name}/"))
        elif _ending(entry.name) in TYPES:
            found.append((above + entry.name, entry))
    return found


def _ending(name: str) -> str:
    return name[name.rfind(".") :]


def add_dashboard(app: web.Application, service: Service) -> None:
    """Serve the dashboard at `/`."""
    page, events = Page(), Events(service)
    app.router.add_get("/", page.index)
    app.router.add_get("/page/{version}/{name:.+}", page.file)
    app.router.add_get("/events", events.__call__)

    async def close(_: Any) -> None:
        events.close()

    # Streams end by themselves only here: the server waits for its connections next.
    app.on_shutdown.append(close)
