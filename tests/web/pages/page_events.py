"""What the sensor and the base station of tests of pages did."""

from __future__ import annotations

from bssci.model import EUI, Reception, Uplink
from tests.support.web import EPOCH, SENSOR

STATION = EUI("CAFEBA5E00000001")


def heard(counter: int, *, at: float = EPOCH + 900.0) -> Uplink:
    """Return an uplink that the station heard."""
    reception = Reception(
        end_point_eui=SENSOR,
        packet_counter=counter,
        payload=b"\x01\x02",
        base_station_eui=STATION,
        rx_time=int(at * 1e9),
        snr=7.25,
        rssi=-101.0,
        received_at=at,
    )
    return Uplink(at=at, id=f"id{counter}", known=True, receptions=[reception], duplicates=0)
