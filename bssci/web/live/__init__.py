"""Live events: the feed, its sentences, and the streams of events."""
