"""The TLS alert with which a client's certificate is refused.

OpenSSL derives the alert from the error of its verification. Where nobody but our own callback finds a fault,
there is none, and the client is told "internal error". pyOpenSSL has no function that sets the error, so
OpenSSL's own is called by names that pyOpenSSL does not publish; without them that alert stays as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from OpenSSL import SSL, crypto

UNACCEPTABLE = 0x7000
"""error that OpenSSL does not know, for which it sends the alert certificate_unknown (46)"""

Verify = Callable[[SSL.Connection, crypto.X509, int, int, int], int]
"""returns the error (``X509_V_ERR_…``) for which a certificate is refused, 0 if it is good; called with the
connection, the certificate, OpenSSL's error, the depth in the chain, and whether OpenSSL accepts it"""


def set_verify(context: SSL.Context, mode: int, verify: Verify) -> None:
    """Have a context verify certificates with a callback, whose error chooses the alert.

    :param mode: as for ``SSL.Context.set_verify``.
    """
    refused = 0

    def decide(connection: SSL.Connection, shown: crypto.X509, error: int, depth: int, is_good: int) -> bool:
        nonlocal refused
        refused = verify(connection, shown, error, depth, is_good)
        return not refused

    context.set_verify(mode, decide)
    module: Any = SSL
    inside: Any = context
    try:
        library, types = module._lib, module._ffi
        set_error, set_callback = library.X509_STORE_CTX_set_error, library.SSL_CTX_set_verify
        handle, decided = inside._context, inside._verify_callback
    except AttributeError:
        return

    def decide_with_alert(is_good: int, store: Any) -> int:
        nonlocal refused
        refused = 0
        is_taken: int = decided(is_good, store)
        if not is_taken and refused:
            set_error(store, refused)
        return is_taken

    # The context holds both callbacks, as OpenSSL does not.
    inside._verify_callback = decided, types.callback("int (*)(int, X509_STORE_CTX *)", decide_with_alert)
    set_callback(handle, mode, inside._verify_callback[1])
