"""The web admin in memory for every test of this room."""

from tests.support.web import make_web_house, web

__all__ = ["make_web_house", "web"]
