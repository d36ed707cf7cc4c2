"""Place of plugins. A third party ships a uniquely named module here, and no ``__init__``."""

from twisted.plugin import pluginPackagePaths

__path__.extend(pluginPackagePaths(__name__))
__all__: list[str] = []
