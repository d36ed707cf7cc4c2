"""Forms of messages: each reads what a kind of gateway sends, whichever source brings it."""
