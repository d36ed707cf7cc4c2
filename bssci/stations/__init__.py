"""Base stations as connections: TLS, frames, the handshake and limits. Bytes in, messages out."""
