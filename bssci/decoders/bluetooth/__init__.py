"""Formats of Bluetooth Low Energy advertisements, a module each; ``bssci.plugins.bluetooth`` lists them."""
