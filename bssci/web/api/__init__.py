"""The JSON API: one module a subject; each route declared once, beside its handler."""
