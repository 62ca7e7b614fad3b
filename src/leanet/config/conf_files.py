"""The files in conf/, and those of a folder that the user adds with --config-dir, as Hydra composes them."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.default_element import ResultDefault
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from leanet.errors import LeanetError

_PACKAGED = Path(__file__).parents[1] / "conf"
CONF = _PACKAGED if _PACKAGED.exists() else Path(__file__).parents[3] / "conf"
OF_GRIDS = "train"  # the command whose sweeps (-m) are grids: its file in conf/

_COMPOSING = threading.Lock()  # Hydra keeps the folder of configurations in a global


@dataclass(frozen=True)
class ConfFiles:
    """The configuration of one command, before it is composed.

    Args:
        loader: Hydra's.
        name: of the command's file in conf/.
        folders: conf/ and folders that were added.
    """

    loader: ConfigLoader
    name: str
    folders: Sequence[Path]

    def composed(self, overrides: Sequence[str], sweep: bool = False) -> DictConfig:
        """Compose the configuration, with Hydra's own part.

        Args:
            overrides: as Hydra parses them.
            sweep: whether they may have several values.
        """
        mode = RunMode.MULTIRUN if sweep else RunMode.RUN
        return self.loader.load_configuration(self.name, self._searched(overrides), mode)

    def parts(self, overrides: Sequence[str]) -> list[ResultDefault]:
        """The files that are merged, in this order."""
        return list(self.loader.compute_defaults_list(self.name, self._searched(overrides), RunMode.RUN).defaults)

    def choices(self, group: str) -> list[str]:
        """The choices of a group, sorted; empty if there is no such group."""
        sources = [source for source in self.loader.get_sources() if source.is_group(group)]
        found = {choice for source in sources for choice in source.list(group, ObjectType.CONFIG)}
        return sorted(
            found.union(*({file.stem for file in (folder / group).glob("*.yaml")} for folder in self.folders))
        )

    def file(self, path: str) -> Path | None:
        """The file of a path in the configuration, such as adn/resnet18; None for those of Hydra and its plugins."""
        files = (folder / f"{path}.yaml" for folder in self.folders)
        return next((file for file in files if file.is_file()), None)

    def _searched(self, overrides: Sequence[str]) -> list[str]:
        added = ",".join(f"'file://{folder}'" for folder in self.folders[1:])
        return [*overrides, f"hydra.searchpath=[{added}]"] if added else list(overrides)


@contextmanager
def conf_files(name: str, added: str | None = None) -> Iterator[ConfFiles]:
    """A context in which the configuration of a command can be composed.

    Args:
        name: of the command's file in conf/.
        added: a further folder, as given with --config-dir.

    Raises:
        LeanetError: there is no such folder.
    """
    if added is not None and not Path(added).is_dir():
        raise LeanetError(f"--config-dir {added}: no such folder")
    with _COMPOSING, initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        folders = [CONF, *([Path(added).absolute()] if added else [])]
        yield ConfFiles(GlobalHydra.instance().config_loader(), name, folders)


def plain_values(config: DictConfig) -> dict[str, Any]:
    """The resolved values of a configuration without Hydra's own part."""
    own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    found: Any = OmegaConf.to_container(own, resolve=True)
    return dict(found)
