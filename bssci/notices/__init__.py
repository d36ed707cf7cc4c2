"""Ways by which people are told of alarms: e-mail and a webhook."""
