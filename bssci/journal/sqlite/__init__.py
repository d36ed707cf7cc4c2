"""The journal on SQLite: a writing thread with group commits, and two reading threads."""
