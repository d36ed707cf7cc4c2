"""Access: accounts, roles, sessions and log-in attempts. Knows no HTTP."""
