"""Attachments: the base stations that serve each sensor, orders to them and their answers."""
