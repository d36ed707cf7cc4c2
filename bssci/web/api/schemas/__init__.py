"""Queries, bodies and answers as structs: one module for each subject."""
