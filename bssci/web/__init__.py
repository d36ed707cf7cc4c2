"""The web admin: pages, JSON API, accounts and the live stream. Imported only where WEB_PORT is not 0."""
