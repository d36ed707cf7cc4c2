"""The web admin: pages, JSON API, accounts and the live stream. It is imported only if WEB_PORT is not 0."""
