"""Services of the operating system: clock, crash-safe files, logs, signals, the service manager."""
