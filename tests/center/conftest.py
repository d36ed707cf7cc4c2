"""A service center in memory for every test of this room, and one that sends downlinks."""

from tests.center.downlinks.gateway import make_site, site
from tests.support.center import house, make_house

__all__ = ["house", "make_house", "make_site", "site"]
