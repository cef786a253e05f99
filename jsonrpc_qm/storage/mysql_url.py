"""What a mysql:// URL says, in the driver's words."""

import ssl
from typing import Any
from urllib.parse import parse_qsl, unquote

from jsonrpc_qm.errors import InvalidParams
from jsonrpc_qm.storage.addresses import shown, taken_apart

PARAMETERS = ("ssl-mode", "ssl-ca", "ssl-cert", "ssl-key", "unix-socket")

SSL_MODES = ("disabled", "preferred", "required", "verify-ca", "verify-identity")
"""As MySQL's own clients name them."""


def options_of(url: str) -> dict[str, Any]:
    """The driver's options for a URL.

    Raises:
        InvalidParams: it is no such URL.
    """
    parts = taken_apart(url)
    database = unquote(parts.path.removeprefix("/"))
    if parts.scheme != "mysql" or not database or "/" in database:
        raise _invalid(url, "write mysql://user:password@host:3306/database")
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    for name in given:
        if name not in PARAMETERS:
            raise _invalid(url, f"no parameter {name!r}; there are {', '.join(PARAMETERS)}")
    try:
        port = parts.port or 3306
    except ValueError:
        raise _invalid(url, "the port is no number") from None
    options: dict[str, Any] = {
        "host": parts.hostname or "localhost",
        "port": port,
        "database": database,
        "user": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password or "").encode(),
    }
    if socket := given.get("unix-socket"):
        options["unix_socket"] = socket
    return options | _ssl_options(url, given)


def _ssl_options(url: str, given: dict[str, str]) -> dict[str, Any]:
    files = {name: given[name] for name in ("ssl-ca", "ssl-cert", "ssl-key") if name in given}
    mode = given.get("ssl-mode", "verify-ca" if files else "preferred").lower().replace("_", "-")
    if mode not in SSL_MODES:
        raise _invalid(url, f"ssl-mode is one of {', '.join(SSL_MODES)}")
    if mode == "preferred":
        return {}
    if mode == "disabled":
        return {"ssl_disabled": True}
    try:
        context = ssl.create_default_context(cafile=files.get("ssl-ca"))
        if "ssl-cert" in files:
            context.load_cert_chain(files["ssl-cert"], files.get("ssl-key"))
    except OSError as error:
        raise _invalid(url, f"its certificates can't be used ({error})") from error
    # The certificates that servers make for themselves are not strict.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.check_hostname = mode == "verify-identity"
    if mode == "required":
        context.verify_mode = ssl.CERT_NONE
    return {"ssl": context}


def _invalid(url: str, why: str) -> InvalidParams:
    return InvalidParams.of("storage", f"{shown(taken_apart(url))!r}: {why}")
