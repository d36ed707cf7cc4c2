"""Base stations: TLS, frames, admission, sessions and operations. Bytes in, receptions and events out."""
