"""The dashboard: a page of static files, which calls /rpc and listens to /events."""

import gzip
import hashlib
import re
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, NamedTuple

from aiohttp import ETag, hdrs, web

from jsonrpc_qm.server.events import Events
from jsonrpc_qm.server.service import Service

TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".svg": "image/svg+xml",
}
"""What is served of the folder, by the ending of a file's name, and as what."""

SECURITY = {
    # No script, style or picture of anybody else's, and none that stands in the page itself: a
    # task's text can't become a program, whatever the page does with it.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

_IMPORTED = re.compile(r'^import .* from "\./([^"]+)";$', re.MULTILINE)
"""What a module of ours imports: all are in one folder, but for libraries, which import none."""

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
        response = web.Response(status=304 if known else 200, headers=SECURITY)
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
        return {name: PageFile.of(name, entry.read_bytes()) for name, entry in _within(folder)}

    @cached_property
    def _version(self) -> str:
        every = "".join(f"{name} {file.digest}\n" for name, file in sorted(self._files.items()))
        return hashlib.sha256(every.encode()).hexdigest()[:16]

    def _modules(self) -> list[str]:
        """All modules; those first that the page can't begin without."""
        needed = ["main.js"]
        for name in needed:
            text = self._files[name].plain.decode()
            needed += [found for found in _IMPORTED.findall(text) if found not in needed]
        modules = [name for name, file in self._files.items() if file.type == TYPES[".js"]]
        return needed + sorted(set(modules) - set(needed))

    @cached_property
    def _index(self) -> PageFile:
        # Named in the page, modules are fetched side by side instead of one import after another.
        modules = "\n".join(
            f'<link rel="modulepreload" href="page/{self._version}/{name}">'
            for name in self._modules()
        )
        text = self._files["index.html"].plain.decode()
        text = text.replace("<!-- modules -->", modules).replace("VERSION", self._version)
        return PageFile.of("index.html", text.encode())


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
