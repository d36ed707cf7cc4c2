"""Which base station serves which sensor: attached, detached, told and answered."""
