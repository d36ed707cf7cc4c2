"""Simulated base stations and sensors, for any BSSCI service center; and scanners and controllers at a
broker.

They serve the demo, the tests, the benchmark, and people who debug a service center.
:mod:`~bssci.simulator.station` speaks the protocol, :mod:`~bssci.simulator.sensor`
decides what is sent by radio, :mod:`~bssci.simulator.traffic` connects the two,
:mod:`~bssci.simulator.quirks` gives stations the oddities of real ones,
:mod:`~bssci.simulator.gateways` runs scanners and controllers, and
:mod:`~bench.load` is the load generator of the benchmark.
"""

from bssci.simulator.quirks import QUIRKS, VENDORS, Quirks
from bssci.simulator.sensor import RadioTelegram, SimulatedSensor
from bssci.simulator.station import OperationFailed, SimulatedStation

__all__ = [
    "QUIRKS",
    "VENDORS",
    "OperationFailed",
    "Quirks",
    "RadioTelegram",
    "SimulatedSensor",
    "SimulatedStation",
]
