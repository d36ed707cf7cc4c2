"""A real server for the tests of this folder."""

from tests.sinks.postgres.cluster import database, own_cluster, postgres_cluster

__all__ = ["database", "own_cluster", "postgres_cluster"]
