"""A run and its cell: identity, folders, and whether it is finished. Imports no torch.

A run is one fit of one detector on one fold; a cell is the set of runs that differ only in the fold. A model, which is
trained on all images and has no test images, is a run of fold 0.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from leanet.config.settings import (
    InputSettings,
    Settings,
)
from leanet.data.map_folder import map_fingerprint
from leanet.errors import LeanetError
from leanet.runs.identity import changed, facts_of, feature_facts, weights_of
from leanet.runs.model_name import model_name
from leanet.storage.files import damaged, identity, read_json
from leanet.storage.run_files import COLORIZER_WEIGHTS, DETECTORS, FEATURE_WEIGHTS, MODELS, RESULT

ALL = 0  # the fold of a run that trains on all images and tests on none
_NEEDED = {"run", "cell", "dataset", "model", "fold", "folds", "image_size"}  # in every result.json
SCHEMA = 2  # part of all identities; increase it when changes of the program make earlier results incomparable


@dataclass(frozen=True)
class Run:
    """The identity and the folders of a run.

    Settings that do not change results (paths, logger, device, names) are not part of the identity.

    Args:
        settings: of the run.
        fingerprint: of the dataset, as `Index.fingerprint`.
        fold: the test fold, 1…folds; or `ALL`.
        division: digests of what divides the images beside the seed, such as their groups, by name.
    """

    settings: Settings
    fingerprint: str
    fold: int
    division: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def id(self) -> str:
        """12 hex digits, a hash of everything that changes the run's results."""
        return identity({**self.cell_facts, "fold": self.fold})

    @cached_property
    def cell(self) -> str:
        """12 hex digits, the hash of the cell."""
        return identity(self.cell_facts)

    @cached_property
    def model(self) -> str:
        """The model's name for people, as `model_name` returns it: resnet18, resnet18+mobilenet@4."""
        return model_name(self.settings)

    @property
    def name(self) -> str:
        """The run's name for people, from dataset, model and fold; not unique."""
        fold = "" if self.fold == ALL else f"-fold{self.fold}"
        return f"{self.settings.dataset_name}-{self.model.replace('@', '-point')}{fold}"

    @property
    def part(self) -> str:
        """The run's fold for people: `fold 1/5`, or `all images`."""
        return "all images" if self.fold == ALL else f"fold {self.fold}/{self.settings.folds}"

    @cached_property
    def folder(self) -> Path:
        """The folder of the run's files."""
        return self._place(MODELS if self.fold == ALL else DETECTORS, self.name, self.id)

    def _place(self, kind: str, name: str, identity: str) -> Path:
        """paths.runs/kind/name-identity; or a folder of older versions, which named every `dataset=folder` `folder`."""
        home = Path(self.settings.paths.runs) / kind
        place = home / f"{name}-{identity}"
        older = home / f"folder{name.removeprefix(self.settings.dataset_name)}-{identity}"
        return older if older.is_dir() and not place.is_dir() else place

    @property
    def result(self) -> dict[str, Any] | None:
        """The content of result.json; None if the run is not finished, LeanetError if the file is damaged."""
        return read_result(self.folder / RESULT)

    @property
    def is_done(self) -> bool:
        """Whether the run is finished."""
        return (self.folder / RESULT).exists()

    @property
    def plain(self) -> "Run":
        """The run of the same ADN alone, with RGB input and without attention or maps, for comparison.

        For a baseline it is the run itself.
        """
        if not self.settings.has_epochs and not self.settings.adn.is_frozen:
            return self
        caan = replace(self.settings.caan, name="none", network=None)
        adn = replace(self.settings.adn, pooling="mean", map_statistics=False)
        return replace(self, settings=replace(self.settings, adn=adn, caan=caan, input=InputSettings("rgb")))

    @cached_property
    def maps_folder(self) -> Path:
        """The folder of the run's maps and of their map maker, shared by all runs with the same map settings.

        With cross-fitting it has only the maps; the map makers have their own folders.
        """
        return self._maker_folder("")

    @cached_property
    def maker_folders(self) -> list[Path]:
        """The folders of the map makers: one; K with cross-fitting; none if maps are not made here."""
        if not self.settings.makes_maps:
            return []
        if self.settings.cross_fit is None:
            return [self.maps_folder]
        return [self._maker_folder(f"-part{part}", part=part) for part in range(1, self.settings.cross_fit + 1)]

    @property
    def has_map_makers(self) -> bool:
        """Whether all map makers are fitted and kept, so that maps can be made without training."""
        name = FEATURE_WEIGHTS if self.settings.map.is_of_features else COLORIZER_WEIGHTS
        return all((folder / name).exists() for folder in self.maker_folders)

    @property
    def _fold_word(self) -> str:
        return "all" if self.fold == ALL else f"fold{self.fold}"

    def _maker_folder(self, which: str, **more: int) -> Path:
        kind = f"-{self.settings.map.name}" if self.settings.map.is_of_features else ""
        name = f"{self.settings.dataset_name}-{self._fold_word}{kind}{which}"
        return self._place("colorizers", name, identity(self._maker_facts | more))

    @cached_property
    def features_folder(self) -> Path:
        """The folder of a frozen ADN's pooled features of all images, which do not depend on labels or regression.

        It is shared by all folds, unless the features depend on maps.
        """
        adn, fold = self.settings.adn, ""
        network = {name: value for name, value in adn.network.items() if name != "strength"}
        facts = {"schema": SCHEMA, "images": self._image_facts, "network": network, **weights_of(adn)}
        if self.settings.has_attention or adn.pooling == "map":
            fold = f"-{self._fold_word}"
            facts |= {"pooling": adn.pooling, "map": self._map_facts, **self._attention_facts}
            facts |= {"split": self._fold_facts["split"], "fold": self.fold}
            if self.settings.map.scaling == "fold":  # which depends on the maps of the training images
                facts["positive_rate"] = self.settings.positive_rate
        return self._place("features", f"{self.settings.dataset_name}-{adn.network['model']}{fold}", identity(facts))

    @cached_property
    def layers_folder(self) -> Path:
        """The folder of the features behind maps from features, shared by all folds and kinds of maps."""
        maps = self.settings.map
        network: dict[str, Any] = {
            "network": maps.network,
            "layers": maps.layers,
            "pretrained": maps.pretrained,
            **weights_of(maps),
        }
        if not maps.pretrained:
            network["seed"] = maps.seed
        facts = {"schema": SCHEMA, "images": self._image_facts, **network}
        return self._place("features", f"{self.settings.dataset_name}-layers-{maps.network}", identity(facts))

    @property
    def maps_file(self) -> Path:
        """The file of the maps (N, 1, S, S) that this run uses."""
        return self.maps_folder / f"maps-{self.settings.map.name}.npy"

    @cached_property
    def folds_file(self) -> str | None:
        """SHA-256 of the folds file; None if folds come from the split seed."""
        file = self.settings.dataset.get("folds_file")
        return _digest(file) if file else None

    @cached_property
    def _fold_facts(self) -> dict[str, Any]:
        settings, file = self.settings, self.folds_file
        split: dict[str, Any] = {"file": file} if file else {"folds": settings.folds, "split_seed": settings.split_seed}
        split |= self.division
        if settings.validation:
            split |= {"validation": settings.validation, "split_seed": settings.split_seed}
        return {"schema": SCHEMA, "images": self._image_facts, "split": split}

    @property
    def _image_facts(self) -> dict[str, Any]:
        settings = self.settings
        facts = {"fingerprint": self.fingerprint, "image_size": settings.image_size}
        facts |= {} if settings.fit == "stretch" else {"fit": settings.fit}  # runs of older versions have none
        if not settings.has_tiles:
            return facts
        return {**facts, "tiles": settings.tiles or f"{settings.tile_size} px", "overlap": settings.tile_overlap}

    @property
    def _maker_facts(self) -> dict[str, Any]:
        return {**self._fold_facts, "fold": self.fold, **self._maker, **self._parts}

    @property
    def _maker(self) -> dict[str, Any]:
        """The settings that change a map maker."""
        maps = self.settings.map
        return {"features": feature_facts(maps)} if maps.is_of_features else {"colorizer": self._colorizer_training}

    @property
    def _parts(self) -> dict[str, Any]:
        if self.settings.cross_fit is None:
            return {}
        return {"cross_fit": {"parts": self.settings.cross_fit, "split_seed": self.settings.split_seed}}

    @cached_property
    def _colorizer_training(self) -> dict[str, Any]:
        return {**facts_of(self.settings.colorizer), "precision": self.settings.trainer.precision}

    @property
    def _map_facts(self) -> dict[str, Any]:
        settings = self.settings
        facts = {"name": settings.map.name, "scaling": settings.map.scaling}
        if settings.map.name == "folder":
            return {**facts, "maps": map_fingerprint(str(settings.map.root), settings.folds)}
        return {**facts, **self._maker, **self._parts}

    @property
    def _training_facts(self) -> dict[str, Any]:
        trainer = self.settings.trainer
        given = {key: getattr(trainer, key) for key in ("max_epochs", "batch_size", "precision")}
        return given | changed(replace(trainer, compile="auto"))  # how steps are run does not change results

    @cached_property
    def cell_facts(self) -> dict[str, Any]:
        """Everything that changes the run's results, without the fold."""
        settings = self.settings
        facts = {**self._fold_facts, "positive_rate": settings.positive_rate, "adn": facts_of(settings.adn)}
        if settings.has_epochs:
            facts |= {"seed": settings.seed, "training": self._training_facts}
        if settings.dataset.get("folds_file") and settings.positive_rate != 1:
            facts["thinned_by"] = settings.split_seed  # which has no other effect with a folds file
        if settings.has_tiles:
            facts["tile_pooling"] = settings.tile_pooling
            facts |= {} if settings.tile_pooling == "max" else {"tile_top": settings.tile_top}
        if self.settings.needs_maps:
            facts |= {"input": settings.input.name, "map": self._map_facts}
        return facts | self._attention_facts

    @property
    def _attention_facts(self) -> dict[str, Any]:
        settings = self.settings
        if not self.settings.has_attention:
            return {}
        point = {} if settings.attention.points else {"point": settings.point}
        external = {"caan": settings.caan.network, **weights_of(settings.caan)}
        return {"attention": {**external, **point, **changed(settings.attention)}}


def read_result(file: Path) -> dict[str, Any] | None:
    """Read a result.json; None if there is none, LeanetError if it is damaged."""
    found: dict[str, Any] | None = read_json(file)
    if found is None:
        return None
    if not isinstance(found, dict) or not found.keys() >= _NEEDED:
        raise damaged(file)
    return found


def _digest(file: str) -> str:
    try:
        return hashlib.sha256(Path(file).read_bytes()).hexdigest()
    except OSError as error:
        raise LeanetError(f"dataset.folds_file={file}: {error.strerror}") from None
