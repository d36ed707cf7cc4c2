"""Sensors that fall silent: warned of, then detached."""
