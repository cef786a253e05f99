"""What a client shows to a manager, and what it asks of one: a token, certificates, authorities."""

import os
import ssl
from dataclasses import dataclass, field
from typing import Any

from jsonrpc_qm.client.protocol import reason_of
from jsonrpc_qm.errors import InvalidParams

TOKEN_VARIABLE = "JSONRPC_QM_TOKEN"  # noqa: S105
"""Has the token of clients that are given none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The token and the files of a client."""

    token: str | None = field(default=None, repr=False)
    """The access token."""
    tls_ca: str | None = None
    """The file with the authorities that the manager's certificate is to be from; by default
    those that the system trusts."""
    tls_cert: str | None = None
    """The file with the client's certificate, where the manager asks for one."""
    tls_key: str | None = None
    """The file with the certificate's key, if that is not in the same."""

    def as_options(self) -> dict[str, Any]:
        """As the clients take them."""
        return {
            "token": self.token,
            "tls_ca": self.tls_ca,
            "tls_cert": self.tls_cert,
            "tls_key": self.tls_key,
        }

    def token_or_default(self) -> str | None:
        """The token, or that of the environment."""
        return self.token or os.environ.get(TOKEN_VARIABLE) or None

    def context(self) -> ssl.SSLContext | None:
        """For TLS with these files; None for the usual one.

        Raises:
            InvalidParams: a file can't be used.
        """
        if self.tls_ca is None and self.tls_cert is None:
            return None
        try:
            context = ssl.create_default_context(cafile=self.tls_ca)
        except (OSError, ssl.SSLError) as error:
            raise InvalidParams.of("tls_ca", f"{self.tls_ca}: {reason_of(error)}") from error
        if self.tls_cert is not None:
            try:
                context.load_cert_chain(self.tls_cert, self.tls_key, password=_no_password)
            except (OSError, ssl.SSLError, ValueError) as error:
                reason = f"{self.tls_cert}: {reason_of(error)}"
                raise InvalidParams.of("tls_cert", reason) from error
        return context


def _no_password() -> str:
    """Instead of OpenSSL's question at the terminal."""
    raise ValueError("its key is encrypted; give one that is not")
