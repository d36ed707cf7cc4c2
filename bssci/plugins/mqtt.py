"""Offers the sink ``mqtt``."""

from bssci.sinks.mqtt.sink import MqttSinkFactory

mqtt = MqttSinkFactory()
