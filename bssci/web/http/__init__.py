"""Requests and answers: routes, dispatch, the guard at the door, bounds."""
