"""A real server for the tests of this folder."""

from tests.sinks.postgres.cluster import database, own_cluster, postgres_cluster
from tests.support.log_lines import log_lines

__all__ = ["database", "log_lines", "own_cluster", "postgres_cluster"]
