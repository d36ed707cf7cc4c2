"""The sink ``kafka``."""
