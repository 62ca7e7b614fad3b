from collections.abc import Callable
from dataclasses import MISSING, asdict, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from leanet.config.command_line import CONF
from leanet.config.effective import kept_settings, settings_of
from leanet.config.map_settings import MapSettings
from leanet.config.settings import (
    AdnSettings,
    AttentionSettings,
    ColorizerSettings,
    PathSettings,
    Settings,
    TrainerSettings,
)
from leanet.errors import LeanetError
from leanet.runs.run import Run
from leanet.storage.files import write_json

COLORIZER = (
    "colorizer.max_epochs=9",
    "colorizer.patience=9",
    "colorizer.batch_size=9",
    "colorizer.lr=9",
    "colorizer.betas=[0.5,0.9]",
    "colorizer.dropout=0.5",
    "colorizer.loss=mse",
    "colorizer.fancy_pca=0",
    "colorizer.seed=9",
    "colorizer.bn_momentum=keras",
    "colorizer.held_out=0.2",
    "colorizer.upsampling=resize",
    "trainer.precision=bf16-mixed",
)
IMAGES = (
    "dataset.image_size=32",
    "dataset.fit=pad",
    "tiles=2",
    "tile_size=64",
    "folds=4",
    "split_seed=9",
    "validation=0.25",
)
POOLING = ("tile_overlap=0.5", "tile_pooling=learned", "tile_top=3")
DETECTOR = (
    "trainer.averaging=ema",
    "trainer.balance=prior",
    "adn.lr=9",
    "adn.bn_momentum=0.01",
    "adn.extra_conv=true",
    "trainer.max_epochs=9",
    "trainer.batch_size=9",
    "positive_rate=0.5",
)
SELECTED = ("validation=0.25", "trainer.select=val_f1")  # the second takes the first
MAPS = ("map.cross_fit=3",)
FEATURES = ("map.network=resnet34", "map.layers=[2]", "map.pretrained=false", "map.seed=9")
OWN = {"padim": "map.channels=50", "patchcore": "map.coreset=0.2"}
ATTENTION = ("point=1", "map.scaling=fixed", "map.name=ab", "caan.hard_swish=false", "input.name=map")
AMPLITUDE = (
    "attention.reduce=max",
    "attention.standardized=true",
    "attention.squash=tanh",
    "attention.centred=true",
    "attention.gain=4",
    "attention.learned_gain=true",
    "attention.points=[2,3]",
)
NOT_OURS = (
    "leave_kind_out=true",  # the division that comes with it is ours
    "paths.runs=elsewhere",
    "paths.data=elsewhere",
    "logger.name=other",
    "trainer.accelerator=cpu",
    "trainer.devices=2",
    "trainer.checkpoint_seconds=9",
    "trainer.compile=true",
    "dataset.name=other",
    "dataset.fit=stretch",  # as without it
    "adn.name=other",
    "caan.name=other",
    "colorizer.name=other",
    "fold=2",
    "colorizer.dropout=0",  # 0.0
    "positive_rate=1.0",  # 1
    "validation=0.0",  # 0
)


@cache
def composed(*groups: str) -> DictConfig:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train", overrides=list(groups))


def run(*changes: str, groups: tuple[str, ...] = (), fingerprint: str = "0" * 64, fold: int = 1) -> Run:
    chosen = composed(*groups).copy()
    OmegaConf.set_struct(chosen.dataset, False)  # painted leaves have no `fit`
    config = OmegaConf.merge(chosen, OmegaConf.from_dotlist(list(changes)))
    container: Any = OmegaConf.to_container(config, resolve=True)
    return Run(settings_of(container), fingerprint, fold)


def plain(*changes: str) -> Run:
    return run(*changes, groups=("caan=none",))


def colorizer(made: Run) -> str:
    """The last 12 digits of the folder's name, without names that are for people."""
    return made.maps_folder.name[-12:]


@pytest.mark.parametrize("change", NOT_OURS)
def test_what_leaves_the_numbers_alone_leaves_the_identity(change: str) -> None:
    assert (run(change).id, run(change).cell, colorizer(run(change))) == (run().id, run().cell, colorizer(run()))


@pytest.mark.parametrize("change", [*COLORIZER, *IMAGES, *DETECTOR, *MAPS, *ATTENTION, *AMPLITUDE, "seed=9"])
def test_what_changes_the_numbers_changes_run_and_cell(change: str) -> None:
    assert run(change).id != run().id
    assert run(change).cell != run().cell


@pytest.mark.parametrize("change", POOLING)
def test_how_tiles_are_used_matters_only_where_images_are_cut(change: str) -> None:
    assert run(change).id == run().id
    pooling = () if change.startswith("tile_pooling") else ("tile_pooling=top",)
    cut = run("tiles=4", *pooling)
    other = run("tiles=4", *pooling, change)
    assert other.id != cut.id
    assert (colorizer(other) == colorizer(cut)) == (change != "tile_overlap=0.5")  # the pooling needs no other maps


def test_no_setting_is_forgotten() -> None:
    changes = (*NOT_OURS, *COLORIZER, *IMAGES, *DETECTOR, *SELECTED, *MAPS, *ATTENTION, *AMPLITUDE, "seed=9")
    changes = (*changes, *FEATURES, *OWN.values(), "map.weights=bundled")  # a test of its own is below
    changes = (*changes, *POOLING)
    tried = {change.split("=")[0] for change in changes}
    parts = {"colorizer": ColorizerSettings, "trainer": TrainerSettings, "map": MapSettings, "paths": PathSettings}
    parts |= {"attention": AttentionSettings}
    names = {f"{part}.{entry.name}" for part, schema in parts.items() for entry in fields(schema)}
    names |= {entry.name for entry in fields(Settings) if not isinstance(composed()[entry.name], DictConfig)}
    assert names - {"colorizer.network", "map.root"} <= tried  # the first has no name; the second has tests below


def test_the_content_of_pretrained_weights_is_part_of_the_identity(tmp_path: Path) -> None:
    for name in ("a", "b", "same"):
        (tmp_path / name).write_bytes(b"b" if name == "b" else b"a")

    def ids(group: str, *words: str) -> list[str]:
        groups = ("adn=timm", "caan=timm", "map=padim", "map.network=resnet18")
        weights = [f"{group}.weights={tmp_path / name}" for name in ("a", "b", "same")]
        return [run(word, *words, groups=groups).id for word in (*weights, f"{group}.weights=none")]

    for group in ("adn", "caan", "map"):
        first, other, same, none = ids(group)
        assert len({first, other, none}) == 3 and first == same
    for group in ("adn", "caan"):
        words = [(f"{group}.weights=imagenet",), (f"{group}.pretrained=true",)]
        assert (
            run(*words[0], groups=("adn=timm", "caan=timm")).id == run(*words[1], groups=("adn=timm", "caan=timm")).id
        )


def test_frozen_stages_are_part_of_the_identity_and_the_name() -> None:
    pretrained = ("adn.pretrained=true",)
    free, empty, frozen, fewer = (
        run(*pretrained, *words) for words in ((), ("adn.freeze=null",), ("adn.freeze=3",), ("adn.freeze=2",))
    )
    assert free.id == empty.id and len({free.id, frozen.id, fewer.id}) == 3
    assert frozen.model == "resnet18+mobilenet@4-freeze3" and frozen.plain.model == "resnet18-freeze3"
    assert "freeze" not in free.cell_facts["adn"] and frozen.cell_facts["adn"]["freeze"] == 3


def test_runs_from_before_there_were_other_attentions_are_found_again() -> None:
    """Their hashes; their config.yaml has no `attention`."""
    assert (run().id, run().cell) == ("b0b09722effd", "ec25db1770a7")
    assert run("point=2", groups=("caan=direct",)).id == "6ae63678b762"
    kept = asdict(run().settings)
    del kept["attention"]
    assert replace(run(), settings=kept_settings(kept)).id == run().id


@pytest.mark.parametrize("made", [run, plain])
def test_so_does_the_choice_of_an_epoch(made: Callable[..., Run]) -> None:
    selected, last = made(*SELECTED), made(SELECTED[0])
    assert selected.id != last.id and selected.cell != last.cell
    assert selected.maps_folder == last.maps_folder
    assert made(SELECTED[0], "trainer.select=val_loss").id not in (selected.id, last.id)


@pytest.mark.parametrize("group", ["caan=direct", "caan=resnet", "caan=none"])
def test_so_does_another_network(group: str) -> None:
    assert run(groups=(group,)).id != run().id
    assert run(groups=(group,)).cell != run().cell


def test_so_do_other_images() -> None:
    other = run(fingerprint="1" * 64)
    assert len({(made.id, made.cell, colorizer(made)) for made in (run(), other)}) == 2
    assert other.id != run().id
    assert other.cell != run().cell
    assert colorizer(other) != colorizer(run())


@pytest.mark.parametrize("folder", ["features_folder", "layers_folder", "maps_folder"])
def test_another_fit_has_other_files(folder: str) -> None:
    fits = ("stretch", "pad", "crop")
    words = ("dataset=folder", "dataset.root=there", "map=padim", "adn=frozen")
    old, *found = (run(*change, groups=words) for change in ((), *((f"dataset.fit={fit}",) for fit in fits)))
    assert len({getattr(made, folder) for made in found}) == 3
    assert getattr(old, folder) == getattr(found[0], folder) and old.id == found[0].id


def test_folds_are_runs_of_one_cell() -> None:
    runs = [run(fold=fold) for fold in range(1, 6)]
    assert len({made.id for made in runs}) == len({made.folder for made in runs}) == 5
    assert len({colorizer(made) for made in runs}) == 5
    assert len({made.cell for made in runs}) == 1


@pytest.mark.parametrize("change", [*IMAGES, *DETECTOR, "seed=9", "trainer.precision=bf16-mixed"])
def test_the_same_goes_without_attention(change: str) -> None:
    assert plain(change).id != plain().id
    assert plain(change).cell != plain().cell


@pytest.mark.parametrize("change", ["point=1", "map.scaling=fixed", "map.name=ab", *MAPS, *AMPLITUDE, *COLORIZER[:-1]])
def test_without_attention_its_settings_do_not_matter(change: str) -> None:
    assert (plain(change).id, plain(change).folder) == (plain().id, plain().folder)


@pytest.mark.parametrize("group", ["input=map", "input=rgb_map", "input=attentioned"])
def test_input_baselines_have_maps_but_no_point(group: str) -> None:
    made = run(groups=(group,))
    assert made.settings.needs_maps and made.settings.has_colorizer and not made.settings.has_attention
    assert run("point=1", groups=(group,)).id == made.id
    assert run("map.scaling=fixed", groups=(group,)).id != made.id
    assert made.maps_folder == run().maps_folder
    assert len({other.id for other in (made, run(), plain())}) == 3
    assert made.plain.id == plain().id
    assert made.model == f"resnet18-{group.partition('=')[2]}"


@pytest.mark.parametrize("group", ["map=legacy", "map=ab"])
def test_maps_of_one_colorizer(group: str) -> None:
    assert run(groups=(group,)).maps_folder == run().maps_folder
    assert run(groups=(group,)).id != run().id


def test_maps_made_elsewhere_count_by_their_content(tmp_path: Path) -> None:
    contents = {"a": b"one", "b": b"one", "c": b"other"}
    made = {}
    for name, content in contents.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "leaf-0001.npy").write_bytes(content)
        made[name] = run(f"map.root={tmp_path / name}", groups=("map=folder",))
    assert made["a"].id == made["b"].id != made["c"].id
    assert not made["a"].settings.has_colorizer
    assert run(f"map.root={tmp_path / 'a'}", "colorizer.lr=9", groups=("map=folder",)).id == made["a"].id


@pytest.mark.parametrize("change", FEATURES)
@pytest.mark.parametrize("name", OWN)
def test_maps_by_features_have_settings_of_their_own(name: str, change: str) -> None:
    usual = run(groups=(f"map={name}",))
    for word in (change, OWN[name], "map.cross_fit=3", "validation=0.25"):
        other = run(word, groups=(f"map={name}",))
        assert other.id != usual.id and other.maps_folder != usual.maps_folder
    for word in (*COLORIZER, "map.scaling=fixed", "seed=9", "point=1", "positive_rate=0.5"):
        other = run(word, groups=(f"map={name}",))
        assert other.maps_folder == usual.maps_folder
        is_colorizers = word in COLORIZER and not word.startswith("trainer.")
        assert (other.id == usual.id) == is_colorizers
    assert not usual.settings.has_colorizer and usual.settings.makes_maps and not usual.plain.settings.makes_maps
    assert usual.maker_folders == [usual.maps_folder] and usual.plain.maker_folders == []
    assert len(run("map.cross_fit=3", groups=(f"map={name}",)).maker_folders) == 3


def test_the_plain_run_is_that_of_no_caan() -> None:
    assert (run("point=2").plain.id, run("point=2").plain.folder) == (plain().id, plain().folder)
    assert plain().plain == plain()


@pytest.mark.parametrize("change", [*DETECTOR, *ATTENTION])
def test_detectors_share_a_colorizer(change: str) -> None:
    assert run(change).maps_folder == run().maps_folder


@pytest.mark.parametrize("group", ["caan=direct", "caan=resnet", "caan=none"])
def test_whatever_their_caan(group: str) -> None:
    assert run(groups=(group,)).maps_folder == run().maps_folder


@pytest.mark.parametrize("change", [*COLORIZER, *IMAGES, *MAPS, "seed=9"])
def test_colorizers_differ_by_images_and_training(change: str) -> None:
    assert colorizer(run(change)) != colorizer(run())


def test_cross_fitted_colorizers_have_folders_of_their_own(tmp_path: Path) -> None:
    made = run("map.cross_fit=3")
    folders = made.maker_folders
    assert len({made.maps_file.parent, run().maps_folder, *folders, *run("map.cross_fit=4").maker_folders}) == 9
    assert [folder.name.rpartition("-")[0] for folder in folders] == [f"synthetic-fold1-part{k}" for k in (1, 2, 3)]
    assert run("map.cross_fit=3", "map.name=ab", "point=1").maker_folders == folders
    assert run().maker_folders == [run().maps_folder] and plain("map.cross_fit=3").maker_folders == []
    (tmp_path / "folds.csv").write_text("one")
    words = f"dataset.folds_file={tmp_path}/folds.csv", "map.cross_fit=3"
    seeded = [folder for seed in (0, 9) for folder in run(*words, f"split_seed={seed}").maker_folders]
    assert len(set(seeded)) == 6  # the seed deals the parts, also where it deals no folds


def test_seeds_share_a_colorizer_whose_seed_is_given() -> None:
    assert run("seed=9", "colorizer.seed=0").maps_folder == run().maps_folder


def test_names_are_for_people_and_end_in_the_id() -> None:
    made, without = run("paths.runs=there", fold=3), plain("paths.runs=there")
    assert (made.model, without.model) == ("resnet18+mobilenet@4", "resnet18")
    assert made.folder == Path(f"there/detectors/synthetic-resnet18+mobilenet-point4-fold3-{made.id}")
    assert without.folder == Path(f"there/detectors/synthetic-resnet18-fold1-{without.id}")
    assert made.maps_folder.parent == Path("there/colorizers")


def test_peculiarities_are_in_the_name() -> None:
    assert run(groups=("map=ab", "colorizer=autoencoder")).model == "resnet18+mobilenet@4-ab-autoencoder"
    assert run("positive_rate=0.25").model == "resnet18+mobilenet@4-pos0.25"
    assert plain("positive_rate=0.25", "map.name=ab").model == "resnet18-pos0.25"
    keras = run("adn.bn_momentum=keras", "colorizer.bn_momentum=0.5", "positive_rate=0.25")
    assert keras.model == "resnet18+mobilenet@4-cbn0.5-bnkeras-pos0.25"
    assert keras.plain.model == "resnet18-bnkeras-pos0.25"
    assert run("map.cross_fit=5", groups=("map=ab",)).model == "resnet18+mobilenet@4-ab-cross5"
    assert run("map.cross_fit=5").plain.model == "resnet18"
    assert run(groups=("map=padim", "colorizer=autoencoder")).model == (
        "resnet18+mobilenet@4-padim-tf_efficientnet_lite0"
    )
    assert run(*FEATURES, OWN["padim"], *MAPS, groups=("map=padim",)).model == (
        "resnet18+mobilenet@4-padim-resnet34-layers2-channels50-random-cross3"
    )
    assert (
        run(OWN["patchcore"], groups=("map=patchcore",)).model
        == "resnet18+mobilenet@4-patchcore-tf_efficientnet_lite0-coreset0.2"
    )
    assert run(*SELECTED).model == "resnet18+mobilenet@4-val_f1"
    assert run(*SELECTED, "trainer.averaging=ema").plain.model == "resnet18-ema-val_f1"
    assert run("trainer.balance=prior", "positive_rate=0.25").plain.model == "resnet18-adjusted-pos0.25"
    assert run("trainer.balance=weights").model == "resnet18+mobilenet@4-balanced"


def test_new_settings_leave_the_runs_of_old_as_they_were() -> None:
    """Written down before any of them was there: runs that were done then must be found."""
    old = run("validation=0.25", groups=("adn=vgg16", "map=ab", "colorizer=autoencoder"))
    assert (run().id, run().cell, colorizer(run())) == ("b0b09722effd", "ec25db1770a7", "926181b1deaf")
    assert (plain().id, plain().cell) == ("0237a9ae90b8", "62dd24ff1490")
    assert (old.id, old.cell, colorizer(old)) == ("e667b2ccb360", "016c29c2d573", "b092c06fcc12")


def test_the_configuration_of_old_runs_is_read() -> None:
    """Which names no setting that was added since."""
    config = asdict(run().settings)
    groups = {"adn": AdnSettings, "colorizer": ColorizerSettings, "trainer": TrainerSettings, "map": MapSettings}
    for group, entries in groups.items():
        for entry in fields(entries):
            if entry.default is not MISSING:
                del config[group][entry.name]
    assert "bn_momentum" not in config["adn"] and "select" not in config["trainer"]
    assert Run(kept_settings(config), "0" * 64, 1).id == run().id


@pytest.mark.parametrize(
    ("words", "name"),
    {
        (): "",
        ("attention=standardized", "attention.gain=4"): "-standardized-gain4",
        ("attention=gain", "attention.gain=0.5"): "-gain0.5-learned",
        ("attention=gain",): "-learned",
        ("attention=tanh", "attention.centred=true"): "-tanh-centred",
        ("attention=linear", "attention.reduce=conv", "map=ab"): "-conv-linear-ab",
        ("attention=max", "caan=none"): None,
    }.items(),
)
def test_so_is_another_attention(words: tuple[str, ...], name: str | None) -> None:
    assert run(groups=words).model == ("resnet18" if name is None else f"resnet18+mobilenet@4{name}")


LAB, SCORE = "adn=lab_statistics", "adn=map_score"


@pytest.mark.parametrize("group", [LAB, SCORE])
@pytest.mark.parametrize(
    "change",
    [
        "seed=9",
        "colorizer.seed=0",  # which follows the other else
        "point=1",
        "trainer.max_epochs=9",
        "trainer.batch_size=9",
        "trainer.averaging=ema",
        "trainer.select=val_f1",
        "trainer.balance=weights",
        "adn.lr=9",
        "map.scaling=image_max",
        "input.name=rgb_map",
        "attention.gain=4",
    ],
)
def test_without_epochs_none_of_their_settings_matters(group: str, change: str) -> None:
    changes = (change,) if change != "seed=9" else (change, "colorizer.seed=0")
    made, other = run(groups=(group,)), run(*changes, groups=(group,))
    assert (other.id, other.cell, other.folder) == (made.id, made.cell, made.folder)
    assert run(*changes, groups=(group, "caan=none")).id == made.id == made.plain.id


@pytest.mark.parametrize("change", [*IMAGES, "positive_rate=0.5", "adn.statistic=max"])
def test_what_is_left_does(change: str) -> None:
    assert run(change, groups=(SCORE,)).id != run(groups=(SCORE,)).id


@pytest.mark.parametrize("change", [*COLORIZER, *MAPS, "map.name=ab"])
def test_a_colorizer_matters_to_the_score_of_its_maps(change: str) -> None:
    assert run(change, groups=(SCORE,)).id != run(groups=(SCORE,)).id
    assert run(change, groups=(LAB,)).id == run(groups=(LAB,)).id
    assert run(change, groups=(SCORE,)).maps_folder == run(change).maps_folder


def test_baselines_have_short_names() -> None:
    assert run(groups=(LAB,)).model == "lab_statistics"
    assert run("positive_rate=0.5", groups=(LAB, "map=ab")).model == "lab_statistics-pos0.5"
    assert run(groups=(SCORE,)).model == "map_score"
    assert run("map.cross_fit=3", "adn.statistic=q99", groups=(SCORE, "map=ab")).model == "map_score-ab-cross3-q99"


def test_several_points_take_the_place_of_the_one() -> None:
    made = run("attention.points=[2,3,4]")
    assert made.model == "resnet18+mobilenet@2+3+4"
    assert run("attention.points=[2,3,4]", "point=1").id == made.id != run("attention.points=[2,3]").id
    assert made.folder.name == f"synthetic-resnet18+mobilenet-point2+3+4-fold1-{made.id}"


def test_a_folds_file_counts_by_its_content(tmp_path: Path) -> None:
    contents = {"a.csv": "one", "b.csv": "one", "c.csv": "other"}
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
    made = {name: run(f"dataset.folds_file={tmp_path / name}") for name in contents}
    assert made["a.csv"].id == made["b.csv"].id
    assert len({run().id, made["a.csv"].id, made["c.csv"].id}) == 3
    assert len({run().maps_folder, made["a.csv"].maps_folder, made["c.csv"].maps_folder}) == 3
    assert run(f"dataset.folds_file={tmp_path / 'a.csv'}", "split_seed=9").id == made["a.csv"].id
    for word in ("positive_rate=0.5", "validation=0.2"):  # which the split seed draws
        seeded = {run(f"dataset.folds_file={tmp_path / 'a.csv'}", f"split_seed={seed}", word).id for seed in (0, 9)}
        assert len(seeded) == 2


def test_a_folds_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(LeanetError, match=r"^dataset\.folds_file=.*/none\.csv: No such file or directory$"):
        _ = run(f"dataset.folds_file={tmp_path}/none.csv").id


def test_a_run_is_done_when_its_result_is_there(tmp_path: Path) -> None:
    made = run(f"paths.runs={tmp_path}")
    assert made.result is None
    names = ("run", "cell", "dataset", "model", "fold", "folds", "image_size")
    result = {"f1": 0.5, **dict.fromkeys(names, 1)}
    write_json(made.folder / "result.json", result)
    assert made.result == result
    for damaged in ({"f1": 0.5}, [result]):
        write_json(made.folder / "result.json", damaged)
        with pytest.raises(LeanetError, match=r"result.json: damaged; remove it"):
            _ = made.result
    (made.folder / "result.json").unlink()
    assert replace(made, fold=2).result is None


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ((), "frozen"),
        (("adn.stages=[4,5]", "adn.strength=1"), "frozen-stages45-C1"),
        (("adn.weights=none",), "frozen-random"),
        (("adn.weights=imagenet", "adn.model=resnet50"), "frozen-resnet50-imagenet"),
        (("caan=direct", "point=3", "adn.map_statistics=true", "map=ab"), "frozen+direct@3-mapstats-ab"),
    ],
)
def test_frozen_networks_are_told_apart_by_name(words: tuple[str, ...], name: str) -> None:
    groups = tuple(word for word in words if word.partition("=")[0] in ("caan", "map"))
    values = tuple(word for word in words if word not in groups)
    assert run(*values, groups=("adn=frozen", *groups)).model == name
