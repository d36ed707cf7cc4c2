"""The pages: their table, the data of each, and their rendering."""
