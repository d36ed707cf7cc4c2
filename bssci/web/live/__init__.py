"""What happens now: the feed, its sentences, and the streams of events."""
