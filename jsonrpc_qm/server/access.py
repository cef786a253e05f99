"""What a manager asks of its callers before it listens to them: tokens, TLS, and where from."""

import ipaddress
import logging
import ssl
from collections.abc import Sequence
from pathlib import Path

from jsonrpc_qm.access.files import read_tokens
from jsonrpc_qm.access.grants import Grant
from jsonrpc_qm.access.tokens import Tokens
from jsonrpc_qm.errors import InvalidParams

logger = logging.getLogger("jsonrpc_qm.server")


class Access:
    """The tokens and certificates of a manager, as their files were read last."""

    def __init__(
        self,
        *,
        tokens: str | None = None,
        tls_cert: str | None = None,
        tls_key: str | None = None,
        tls_ca: str | None = None,
    ) -> None:
        """All are paths of files.

        Raises:
            InvalidParams: one of them can't be used.
        """
        self._path = tokens
        self._tokens = None if tokens is None else Tokens(read_tokens(tokens))
        self._chain = (tls_cert, tls_key)
        self.tls = _context(tls_cert, tls_key, tls_ca)

    @property
    def has_tokens(self) -> bool:
        """Whether callers need one."""
        return self._tokens is not None

    @property
    def has_files(self) -> bool:
        """Whether there is anything to read again."""
        return self.has_tokens or self.tls is not None

    def grant_of(self, token: str) -> Grant | None:
        """What a token allows; None when it is not known."""
        return None if self._tokens is None else self._tokens.grant_of(token)

    def reload(self) -> None:
        """Read the files again; one that can't be used leaves everything of its kind as it was."""
        if self._path is not None:
            try:
                self._tokens = Tokens(read_tokens(self._path))
                logger.info("tokens in %s: %d", self._path, len(self._tokens))
            except InvalidParams as error:
                logger.error("the tokens stay as they were: %s", error)
        if self.tls is not None:
            try:
                # A context that is in use takes the new ones for the connections to come.
                _load_chain(self.tls, *self._chain)
                logger.info("read the certificate %s", self._chain[0])
            except InvalidParams as error:
                logger.error("the certificate stays as it was: %s", error)


def _context(cert: str | None, key: str | None, ca: str | None) -> ssl.SSLContext | None:
    if cert is None:
        for param, path in (("tls_key", key), ("tls_ca", ca)):
            if path is not None:
                raise InvalidParams.of(param, "it goes with a certificate of the manager, tls_cert")
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    _load_chain(context, cert, key)
    if ca is not None:
        try:
            context.load_verify_locations(ca)
        except (ssl.SSLError, OSError) as error:
            raise InvalidParams.of("tls_ca", f"{ca}: {_reason(error, ca)}") from error
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _load_chain(context: ssl.SSLContext, cert: str | None, key: str | None) -> None:
    assert cert is not None
    for param, path in (("tls_cert", cert), ("tls_key", key)):
        if path is not None and not Path(path).is_file():
            raise InvalidParams.of(param, f"{path}: no such file")
    try:
        # Tried on another one first: half of a new pair would be left behind in one that is in use.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password=_no_password)
        context.load_cert_chain(cert, key, password=_no_password)
    except (ssl.SSLError, OSError, ValueError) as error:
        raise InvalidParams.of("tls_cert", f"{cert}: {_reason(error, cert)}") from error


def _no_password() -> str:
    """Instead of OpenSSL's question at the terminal."""
    raise ValueError("its key is encrypted; give one that is not")


def _reason(error: Exception, path: str) -> str:
    if isinstance(error, ssl.SSLError):
        if error.reason == "KEY_VALUES_MISMATCH":
            return "it does not belong to the key"
        return "no certificate and key in PEM" if "PEM" in str(error) else str(error.reason)
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def check_address(address: str, *, has_tokens: bool, allow_anyone: bool) -> None:
    """Whether a manager may listen on an address.

    Raises:
        InvalidParams: callers from elsewhere could reach it, and nothing says who may.
    """
    if has_tokens or allow_anyone or ipaddress.ip_address(address).is_loopback:
        return
    raise InvalidParams.of(
        "host",
        f"{address} can be reached from other machines, and there are no tokens. "
        "Make one with `jsonrpc-qm token new --file tokens.toml --role admin` and give --tokens "
        "tokens.toml; or give --allow-anyone, and whoever reaches the port may do everything",
    )


class Hosts:
    """The names that this manager goes by.

    A page of an attacker can have its own name lead to this machine's address (DNS rebinding), and
    its browser then takes the manager for a part of that page. What it can't do is change the name
    in the Host header.
    """

    def __init__(self, public: Sequence[str] = ()) -> None:
        self._names = {"localhost", *(name.lower().rstrip(".") for name in public)}

    def know(self, host: str) -> bool:
        """Whether a Host header, with or without a port, names this manager.

        An address does always: only names can be made to lead elsewhere.
        """
        name = host.lower()
        if name.startswith("["):
            return True
        name = name.partition(":")[0].rstrip(".")
        if name in self._names or name.endswith(".localhost"):
            return True
        try:
            ipaddress.IPv4Address(name)
        except ValueError:
            return False
        return True
