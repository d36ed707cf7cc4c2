"""``bssci watch``: a client of the live stream, run as a program of its own, that writes what it reads."""
