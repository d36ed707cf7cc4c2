"""Requests and answers: routes, dispatch, permissions, and limits."""
