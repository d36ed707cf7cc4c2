"""Settings: their table, what they allow, where they come from and how they change."""
