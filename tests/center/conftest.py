"""A service center in memory for every test of this room."""

from tests.support.center import house, make_house

__all__ = ["house", "make_house"]
