"""The decisions of the service center about sensors, uplinks, downlinks, devices and alarms.

Nothing here knows a transport, HTTP or MQTT.
"""
