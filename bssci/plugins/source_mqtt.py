"""Offers the source ``mqtt``."""

from bssci.sources.mqtt.source import MqttSourceFactory

source_mqtt = MqttSourceFactory()
