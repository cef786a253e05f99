"""How the page is served: small, compressed, kept by the browser, and with nobody else's help."""

import re
from collections.abc import Iterator

import pytest
import urllib3

from jsonrpc_qm.server.dashboard import SCRIPT
from jsonrpc_qm.server.page_script import joined
from jsonrpc_qm.server.running import Settings, in_background
from jsonrpc_qm.storage.memory import MemoryStorage
from tests.docs.markdown import ROOT

MOST_BYTES = 150_000
PAGE = ROOT / "jsonrpc_qm" / "server" / "page"
FILES = sorted(
    path.relative_to(PAGE).as_posix()
    for path in PAGE.rglob("*")
    if path.suffix in {".css", ".js", ".mjs", ".svg"}
)
SENT = {name for name in FILES if not name.endswith(".js")} | {SCRIPT}
"""Our own modules are sent as one."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A manager that is only looked at."""
    with in_background(MemoryStorage(), Settings(port=0)) as started:
        yield started


def get(url: str, **headers: str) -> urllib3.BaseHTTPResponse:
    """The answer, with its body as it was sent."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with urllib3.PoolManager() as pool:
        answer = pool.request("GET", url, headers=named, decode_content=False)
        assert answer.status in (200, 304, 404)
        return answer


def addresses(url: str) -> list[str]:
    """What index.html names."""
    return re.findall(r'(?:href|src)="([^"]+)"', get(f"{url}/").data.decode())


def test_everything_together_is_small(url: str) -> None:
    """Under 150 kB, and that without compression."""
    sent = len(get(f"{url}/").data)
    sent += sum(len(get(f"{url}/{address}").data) for address in set(addresses(url)))
    assert 20_000 < sent < MOST_BYTES


def test_modules_are_joined_in_order() -> None:
    """Each once, after what it imports; what is none of them is imported as before."""
    modules = {
        "main.js": 'import { a } from "./a.js";\nimport * as b from "./b.js";\na(b);\n',
        "a.js": 'import { c } from "./b.js";\nexport function a(x) {}\nexport const d = c;\n',
        "b.js": 'import v from "./vendor/v.mjs";\nexport class c {}\n',
        "unused.js": "export const e = 1;\n",
    }
    text = joined(modules, "main.js")
    assert text.startswith('import v from "./vendor/v.mjs";\n')
    assert re.findall(r'^modules\["(.+?)"\] =', text, re.MULTILINE) == ["b.js", "a.js", "main.js"]
    assert 'const { c } = modules["b.js"];' in text
    assert 'const b = modules["b.js"];' in text
    assert "return { a, d };" in text
    assert "export" not in text


def test_every_module_is_part_of_the_script(url: str) -> None:
    """And nothing in it is left to a browser that would not take it."""
    address = next(address for address in addresses(url) if address.endswith(SCRIPT))
    text = get(f"{url}/{address}").data.decode()
    for name in FILES:
        if name.endswith(".js"):
            assert text.count(f'modules["{name}"] = ') == 1, name
    assert not re.search(r"^export |^import .*\.js", text, re.MULTILINE)


def test_every_file_is_named_in_the_page_and_served(url: str) -> None:
    """So that all are asked for at once, by addresses that work behind a proxy's path as well."""
    named = addresses(url)
    assert all(re.match(r"page/[0-9a-f]{16}/", address) for address in named)
    assert {re.sub(r"^page/\w+/", "", address) for address in named} == SENT
    for address in named:
        assert get(f"{url}/{address}").status == 200


def test_files_are_compressed_for_who_can_read_it(url: str) -> None:
    """And plain for who can't."""
    address = f"{url}/{next(a for a in addresses(url) if a.endswith('style.css'))}"
    plain, compressed = get(address), get(address, Accept_Encoding="gzip, br")
    assert "Content-Encoding" not in plain.headers
    assert plain.data == (PAGE / "style.css").read_bytes()
    assert compressed.headers["Content-Encoding"] == "gzip"
    assert len(compressed.data) < len(plain.data) / 2
    assert compressed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"


def test_files_are_kept_for_ever_and_the_page_is_asked_for_anew(url: str) -> None:
    """The page itself is answered by 304 while it is the same."""
    page = get(f"{url}/")
    assert page.headers["Cache-Control"] == "no-cache"
    again = get(f"{url}/", If_None_Match=page.headers["ETag"])
    assert (again.status, again.data) == (304, b"")
    assert get(f"{url}/", If_None_Match='"another"').status == 200
    file = get(f"{url}/{addresses(url)[0]}")
    assert "immutable" in file.headers["Cache-Control"]


@pytest.mark.parametrize(
    "path", ["page/0123456789abcdef/main.js", "page/VERSION/none.js", "page/VERSION/../app.py"]
)
def test_what_is_not_there_is_not_found(url: str, path: str) -> None:
    """Another version's files, files that are none, and what lies outside the folder."""
    version = addresses(url)[0].split("/")[1]
    assert get(f"{url}/{path.replace('VERSION', version)}").status == 404


def test_nothing_comes_from_elsewhere() -> None:
    """No file names another host: the only address in one is that of SVG's namespace."""
    for name in ["index.html", *(file for file in FILES if not file.startswith("vendor/"))]:
        text = (PAGE / name).read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"(?:https?:)?//\w+\.\w", text.replace("https://example.org", "")), (
            name
        )


def test_no_view_writes_markup() -> None:
    """Nothing turns a text into elements or code."""
    for name in FILES:
        if not name.startswith("vendor/"):
            text = (PAGE / name).read_text()
            assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", text)


def test_vendored_libraries_have_their_licences() -> None:
    """Each has a file beside it that says under which terms it is."""
    for path in (PAGE / "vendor").glob("*.mjs"):
        name = path.name.split("-")[0]
        assert "icense" in (PAGE / "vendor" / f"{name}-LICENSE").read_text()


def test_the_page_allows_nothing_but_itself(url: str) -> None:
    """A strict Content-Security-Policy, on every file."""
    for address in ("", addresses(url)[0]):
        policy = get(f"{url}/{address}").headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
