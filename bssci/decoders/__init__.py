"""Bytes in, readings out. Pure: no clock, no files, no reactor."""
