"""What a result says of the program and the machine that made it."""

import importlib.metadata

import numpy
import pytest

import leanet
from leanet.experiment import result


def test_versions_of_packages_that_are_not_installed_are_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(package: str) -> str:
        raise importlib.metadata.PackageNotFoundError(package)

    assert result.version_of("numpy") == importlib.metadata.version("numpy")
    monkeypatch.setattr(result, "version", version)
    assert result.version_of("leanet") == leanet.__version__
    assert result.version_of("numpy") == numpy.__version__
