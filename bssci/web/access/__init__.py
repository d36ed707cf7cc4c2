"""Who may do what: accounts, roles, sessions, attempts. Knows no HTTP."""
