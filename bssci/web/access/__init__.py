"""Access: accounts, roles, sessions and attempts to log in, independent of HTTP."""
