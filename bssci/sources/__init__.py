"""Ways in beside BSSCI: each source brings telegrams of devices that are not mioty sensors."""

from bssci.center.telegrams.door import TelegramsRefused
from bssci.sources.interfaces import ISource, ISourceFactory, SourceSetting

__all__ = ["ISource", "ISourceFactory", "SourceSetting", "TelegramsRefused"]
