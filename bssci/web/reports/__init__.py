"""Reports for pages and API, as plain dicts: one module for each subject, nothing about HTTP."""
