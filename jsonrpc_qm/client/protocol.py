"""What comes back from the manager, or does not: a value, or one typed error with one clear line.

No I/O here: both clients hand in what their HTTP library gave them.
"""

import os
import re
import socket
import ssl
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec import UNSET

from jsonrpc_qm.client.calls import Call, ErrorObject
from jsonrpc_qm.errors import BY_CODE, Forbidden, InvalidParams, QueueError, TooLarge, Unavailable
from jsonrpc_qm.version import VERSION

T = TypeVar("T")

DEFAULT_URL = "http://127.0.0.1:8642"
"""Where `jsonrpc-qm serve` listens unless told otherwise."""

URL_VARIABLE = "JSONRPC_QM_URL"
"""Has the URL of clients that are given none."""

ANSWER_LOST = "answer_lost"
"""A member of Unavailable's data: true when the call was sent and may have been carried out."""


_BETWEEN = re.compile(r"\s*,\s*(?=https?://)")
"""Between two URLs; a comma may also be in a password or a path."""

_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*(%.+)?")
"""A name, an IPv4 or an IPv6 address."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a manager is."""

    url: str
    """As it was given, without credentials and without a slash at the end: what messages show."""
    rpc_url: str
    """Where calls are posted to."""
    headers: Mapping[str, str]
    """What every request carries."""

    @classmethod
    def of(cls, url: str, token: str | None = None) -> "Endpoint":
        """The endpoint of a manager's URL: http or https, maybe with a path, or `user:password@`.

        Raises:
            InvalidParams: it is no such URL, or has a password beside an access token.
        """
        said = re.sub("//.*@", "//", repr(url))  # no password in a message
        try:
            parts = urlsplit(url)
            # What names may hold is checked by the codec, and both HTTP libraries take its result.
            host, port = (parts.hostname or "").encode("idna").decode(), parts.port
        except (ValueError, AttributeError, TypeError) as error:
            # Its words may have a part of a password in them.
            why = "percent-encode what is special in the password" if "@" in repr(url) else error
            raise InvalidParams.of("url", f"{said}: {why}") from None
        if (
            parts.scheme not in ("http", "https")
            or not _HOST.fullmatch(host)
            or re.search(r"\s", url)
        ):
            raise InvalidParams.of("url", f"{said} is not like {DEFAULT_URL}")
        if parts.query or parts.fragment or "@" in parts.path:
            raise InvalidParams.of("url", f"{said}: a manager's URL ends with its path")
        headers = {"Content-Type": "application/json", "User-Agent": f"jsonrpc-qm/{VERSION}"}
        if token is not None:
            headers["Authorization"] = f"Bearer {_sendable(token)}"
        if parts.username is not None:
            if token is not None:
                raise InvalidParams.of("token", "the URL has a password; only one can be sent")
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            headers["Authorization"] = f"Basic {b64encode(login.encode()).decode()}"
        authority = f"[{host}]" if ":" in host else host
        authority += f":{port}" if port is not None else ""
        shown = f"{parts.scheme}://{authority}{parts.path.rstrip('/')}"
        return cls(shown, f"{shown}/rpc", headers)


def _sendable(token: str) -> str:
    # What else a header can't hold would end up in the words of an HTTP library's error.
    if not re.fullmatch(r"[!-~]+", token):
        raise InvalidParams.of("token", "it is no access token: those have no spaces")
    return token


def endpoints_of(urls: str | None, token: str | None = None) -> tuple[Endpoint, ...]:
    """The endpoints of one or several managers' URLs, with commas between.

    None stands for those in the variable JSONRPC_QM_URL, and without that for DEFAULT_URL.

    Raises:
        InvalidParams: one of them is no such URL.
    """
    if urls is None:
        urls = os.environ.get(URL_VARIABLE) or DEFAULT_URL
    # What is no text is refused with the words for it.
    several = _BETWEEN.split(urls.strip()) if isinstance(urls, str) else [urls]
    return tuple(Endpoint.of(url, token) for url in several)


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP response, wholly read."""

    status: int
    headers: Mapping[str, str]
    """Case-insensitive."""
    body: bytes


def read(call: Call[T], endpoint: Endpoint, reply: Reply) -> T:
    """The value that the manager answered.

    Raises:
        QueueError: the manager's refusal, or a fault of HTTP.
    """
    if reply.status != HTTPStatus.OK:
        raise _http_fault(call, endpoint, reply)
    try:
        answer = call.decoder.decode(reply.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        start = " ".join(reply.body[:200].decode(errors="replace").split())[:80]
        reason = f"{endpoint.rpc_url} gave no answer to {call.method} ({error}): {start!r}"
        raise QueueError(reason) from None
    if answer.error is not None:
        raise error_of(answer.error, endpoint)
    if answer.result is UNSET:
        raise QueueError(f"{endpoint.rpc_url} answered with neither a result nor an error")
    return answer.result


def error_of(error: ErrorObject, endpoint: Endpoint) -> QueueError:
    """The typed error of a JSON-RPC error object; an unknown code gives a plain QueueError."""
    data = error.data
    if not isinstance(data, dict):
        data = {} if data is None else {"data": data}
    kind = BY_CODE.get(error.code)
    if kind is None:
        return QueueError(f"{error.message} (code {error.code})", data=data)
    detail = "" if error.message == kind.message else error.message
    if kind is InvalidParams and "param" in data:
        detail = f"{data['param']}: {data.get('reason', '')}"
    elif kind is Unavailable and not detail:
        why = data.get("reason") or "it is stopping, or can't reach its storage"
        detail = f"{endpoint.url}: {why}"
    elif isinstance(error.data, str):
        detail = error.data
    return kind(detail, data=data)


def unreachable(endpoint: Endpoint, reason: str) -> Unavailable:
    """The error when nothing could be sent."""
    return Unavailable(f"no manager answers at {endpoint.url} ({reason})")


def answer_lost(endpoint: Endpoint, reason: str) -> Unavailable:
    """The error when a call was sent and no answer arrived."""
    detail = f"no answer from {endpoint.url} ({reason}); the call may have been carried out"
    return Unavailable(detail, data={ANSWER_LOST: True})


def untrusted(endpoint: Endpoint, reason: str) -> QueueError:
    """The error when TLS finds fault with the other side: another try would end alike."""
    return QueueError(f"no secure connection to {endpoint.url}: {reason}")


def closed() -> QueueError:
    """The error of a call on a client that is closed, or that was closed meanwhile."""
    return QueueError("this client is closed")


def reason_of(error: BaseException | None) -> str:
    """The words of the operating system for an error, without addresses and numbers; one line."""
    if isinstance(error, socket.gaierror):
        return (error.strerror or str(error)).lower()
    # OpenSSL's numbers are not the system's.
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) and error.errno:
        return os.strerror(error.errno).lower()
    return " ".join(str(error).split()) or type(error).__name__


def _http_fault(call: Call[T], endpoint: Endpoint, reply: Reply) -> QueueError:
    status = reply.status
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
    what = f"{endpoint.rpc_url} answered HTTP {status} {phrase}".rstrip()
    match status:
        case 413:
            size = len(call.body)
            return TooLarge(f"{what} to a request of {size} bytes", data={"size": size})
        case 429 | 503:
            return Unavailable(what, data=_retry_after(reply))
        case 502 | 504:
            # Of a proxy: what became of the call, it can't know.
            return Unavailable(what, data={**_retry_after(reply), ANSWER_LOST: True})
        case 401 | 403:
            return Forbidden(f"{what}{_said(reply)}")
        case 404 | 405:
            return QueueError(f"{what}: is this the URL of a manager?")
        case 301 | 302 | 303 | 307 | 308:
            return QueueError(f"{what}: it has moved to {reply.headers.get('Location', 'nowhere')}")
        case _:
            return QueueError(what)


class _Said(msgspec.Struct):
    error: str


def _said(reply: Reply) -> str:
    """What a manager says of the fault; a proxy's page says nothing."""
    try:
        return f": {msgspec.json.decode(reply.body, type=_Said).error}"
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""


def _retry_after(reply: Reply) -> dict[str, float]:
    """The header's seconds; its other form, a date, is not used by proxies (RFC 9110, 10.2.3)."""
    value = reply.headers.get("Retry-After", "")
    return {"retry_after": float(value)} if value.isdecimal() else {}
