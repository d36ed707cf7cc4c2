"""The sink ``mqtt``: what is published and retained, and the requests that come back."""
