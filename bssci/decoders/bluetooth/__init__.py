"""Formats of Bluetooth Low Energy advertisements. Each module reads one; ``formats`` lists them."""
