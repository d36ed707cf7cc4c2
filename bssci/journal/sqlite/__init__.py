"""The journal on SQLite: one thread that writes, one that reads, commits shared by whoever waits."""
