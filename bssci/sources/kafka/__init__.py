"""The source ``kafka``."""
