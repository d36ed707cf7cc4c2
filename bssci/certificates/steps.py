"""The page of instructions in a base station's bundle: where to connect, and which files to load."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from bssci.certificates.issuing import is_address
from bssci.certificates.reading import CertificateError, describe, read_certificates
from bssci.model import EUI

PAGE, PLACE = "steps.html", "connection.txt"
"""names of the files in a bundle"""
_ASK = "ask its administrator"
_LOCAL = ("localhost", "127.0.0.1", "::1")
_STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:42em;margin:2em auto;padding:0 1em}"
    "td,th{text-align:left;padding:.2em 1em .2em 0}"
)


def host_of(cert_file: Path) -> str:
    """Return the name or address by which base stations reach the service center; empty if its certificate
    has none.

        It is the first in the certificate that does not mean "this machine". Names with a domain and
        addresses come before bare names, which other machines seldom know.
    """
    try:
        names = describe(read_certificates(cert_file, "CERT_FILE")[0]).names
    except CertificateError:
        return ""
    others = [name for name in names if name not in _LOCAL]
    return next((name for name in others if "." in name or ":" in name), others[0] if others else "")


def steps(eui: EUI, host: str, ports: Sequence[int], ends: str) -> dict[str, bytes]:
    """Return the files that are added to a bundle, by name.

    :param host: name or address of the service center; empty if it is not known.
    :param ports: ports on which base stations connect.
    :param ends: day on which the station's certificate expires.
    """
    port = str(ports[0]) if ports else ""
    shown_port = f"<code>{port}</code>" if ports else f"<em>that of the service center: {_ASK}</em>"
    place = f"host={host}\nport={port}\nbase_station={eui}\n"
    # The same port may be open at several addresses.
    further = [str(each) for each in dict.fromkeys(ports) if str(each) != port]
    others = f" (also {', '.join(further)})" if further else ""
    known = escape(host) if host else f"<em>the name or address of the service center: {_ASK}</em>"
    named = "address" if is_address(host) else "name"
    page = f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Base station {eui}</title><style>{_STYLE}</style></head>
<body><h1>Base station {eui}</h1>
<p>With this bundle the base station {eui}, and no other, is let in until {escape(ends)}.</p>
<ol>
<li>In the settings of the base station (often called “BSSCI” or “service center”) enter:
<table><tr><th>Host</th><td><code>{known}</code></td></tr><tr><th>Port</th><td>{shown_port}{others}</td></tr>
<tr><th>TLS</th><td>on, version 1.2 or later, with a client certificate</td></tr></table></li>
<li>Load the three files:
<table><tr><th>CA certificate</th><td><code>ca_cert.pem</code></td></tr>
<tr><th>Certificate</th><td><code>station_cert.pem</code></td></tr>
<tr><th>Private key</th><td><code>station_key.pem</code>, without a password</td></tr></table></li>
<li>Check that the EUI of the base station is <code>{eui}</code>, and that its clock is right: certificates
begin and end.</li>
<li>Save, and let it connect. It appears on the page <em>Base stations</em> of the service center within
seconds. If it does not, look at <em>Refused connections</em> there: it says why, and what to do.</li>
<li>Delete this bundle where it is not needed any more. Whoever has the private key can pass for this base
station; if it gets lost, revoke its certificate on the page of the base station.</li>
</ol>
<p>Some base stations insist on finding the {named} that they connect to in the certificate of the
service center. If they complain, generate that certificate anew with it (page <em>Certificates</em>).</p>
</body></html>
"""
    return {PLACE: place.encode(), PAGE: page.encode()}
