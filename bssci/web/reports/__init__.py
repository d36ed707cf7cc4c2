"""Reports for pages and API, as plain dicts: one module a subject, no HTTP."""
