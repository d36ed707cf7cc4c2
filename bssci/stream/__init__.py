"""``bssci watch``: a client of the live stream that writes what it reads; a program of its own."""
