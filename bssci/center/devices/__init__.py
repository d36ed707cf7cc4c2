"""What sends: the sensors of endpoints.json, and what is known of each."""
