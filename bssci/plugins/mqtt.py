"""Offers the sink ``mqtt``."""

from bssci.sinks.mqtt.plugin import MqttSinkFactory

mqtt = MqttSinkFactory()
