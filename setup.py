"""The steps of a build that ``setup.cfg`` cannot name."""

import shutil

from setuptools import setup
from setuptools.command.build_py import build_py


class Build(build_py):
    """Builds without what an earlier build left in ``build/``: it may hold modules that are gone by now.

    Beside the packages it puts ``bssci.pth``, which Python reads at its start: signals are kept from then on.
    """

    def run(self) -> None:
        if self.editable_mode:
            beside = self.get_finalized_command("install").install_lib
        else:
            beside = self.build_lib
            shutil.rmtree(beside, ignore_errors=True)
        super().run()
        self.mkpath(beside)
        self.copy_file("bssci.pth", beside)


setup(cmdclass={"build_py": Build})
