"""What was heard: taken in, merged, and what is learned from it."""
