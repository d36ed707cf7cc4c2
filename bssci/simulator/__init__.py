"""Base stations and sensors as a client of any BSSCI service center; scanners and controllers at a broker.

For the demo, the tests, the benchmark and people who debug a service center.
:mod:`~bssci.simulator.station` speaks the protocol, :mod:`~bssci.simulator.sensor`
decides what is on the air, :mod:`~bssci.simulator.traffic` brings both together,
:mod:`~bssci.simulator.quirks` makes a station as odd as real ones are,
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
