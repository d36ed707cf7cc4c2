"""The plan that the options for base stations and sensors describe."""

from __future__ import annotations

from bssci.simulator.station_options import station_plan_from
from tests.simulator.simulation import parse
from tests.support.tls import TLSFiles


def test_a_folder_per_station_names_its_eui(tls_files: TLSFiles) -> None:
    for eui in (0x70B3D56770FF0001, 0x70B3D56770FF0002):
        bundle = tls_files.station_bundle(eui)
    plan = station_plan_from(parse("--bundles", str(bundle.parent), "--stations", "2"))
    assert [station.eui for station in plan.stations] == [0x70B3D56770FF0001, 0x70B3D56770FF0002]
    assert plan.stations[1].bundle.certificate == bundle / "station_cert.pem"
