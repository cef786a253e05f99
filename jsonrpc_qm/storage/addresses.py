"""What the URLs of servers have in common: how they are taken apart, and what of one is shown."""

from urllib.parse import SplitResult, urlsplit

from jsonrpc_qm.errors import InvalidParams


def taken_apart(url: str) -> SplitResult:
    """The parts of a URL in which the password is encoded, so that nothing else has part of it.

    Raises:
        InvalidParams: it is no URL, or has a second `@`, a `@` behind the host, or a `#`.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        # The words of this error may have the password in them.
        raise _unreadable(url) from None
    if "#" in url or parts.netloc.count("@") > 1 or "@" in parts.path + parts.query:
        raise _unreadable(url)
    return parts


def shown(parts: SplitResult) -> str:
    """The URL without credentials and options."""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _unreadable(url: str) -> InvalidParams:
    scheme = url.partition(":")[0]
    return InvalidParams.of(
        "storage",
        f"{scheme}://... can't be read: percent-encode what is special in the user, the password "
        "and the rest, as @ (%40), # (%23), / (%2F), ? (%3F), [ (%5B), ] (%5D)",
    )
