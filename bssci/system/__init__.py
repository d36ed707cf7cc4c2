"""The ground floor: clock, files that survive a crash, logs."""
