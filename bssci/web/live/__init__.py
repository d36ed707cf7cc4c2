"""Live events: the feed, events as sentences, and the streams of events."""
