"""A service center in memory for every test of this room, and one that sends downlinks."""

from tests.support.center import house, make_house
from tests.support.downlinks import make_site, site

__all__ = ["house", "make_house", "make_site", "site"]
