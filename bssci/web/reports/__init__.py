"""What pages and API show, as plain dicts: one module a subject, no HTTP."""
