"""A real server for the tests of this folder."""

from tests.support.postgres import database, own_cluster, postgres_cluster

__all__ = ["database", "own_cluster", "postgres_cluster"]
