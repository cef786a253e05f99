"""Cursors under seal."""

from hypothesis import given
from hypothesis import strategies as st

from jsonrpc_qm.access.seals import sealed, unsealed

KEY, OTHER = b"k" * 32, b"o" * 32
LONGEST = f"{2**64 - 1}:{'i' * 64}"


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=len(LONGEST)))
def test_only_the_key_opens_a_seal(cursor: str) -> None:
    """The same cursor has the same seal, and all are of one length, within what a call takes."""
    text = sealed(KEY, cursor)
    assert unsealed(KEY, text) == cursor
    assert unsealed(OTHER, text) is None
    assert text == sealed(KEY, cursor) != sealed(OTHER, cursor)
    assert len(text) == len(sealed(KEY, LONGEST)) == 144


@given(st.text())
def test_what_is_no_seal_is_not_opened(text: str) -> None:
    """Whatever somebody sends."""
    assert unsealed(KEY, text) is None
