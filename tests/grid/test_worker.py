"""The process that a worker keeps between runs: the same results as of a new one, and a new one where it must be."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import open_dict

from leanet.config.command_line import CONF
from leanet.grid.worker import DiedError, FailedError, do, end_kept
from leanet.storage.files import read_json

# A network that tells what it finds in its process, and leaves everything else than it was.
SPY = """
import json, os
import torch
from leanet.detector.adn import Adn
from torch import nn

def spy(channels, image_size, heard, ends=False):
    cudnn = torch.backends.cudnn
    found = {
        "pid": os.getpid(), "environment": sorted(os.environ.items()), "threads": torch.get_num_threads(),
        "precision": torch.get_float32_matmul_precision(), "cudnn": [cudnn.benchmark, cudnn.deterministic],
        "deterministic": torch.get_deterministic_debug_mode(),
    }
    with open(heard, "a") as out:
        print(json.dumps(found), file=out)
    print("spied", flush=True)
    os.environ["LEFT"] = "1"
    torch.set_num_threads(2)
    torch.set_float32_matmul_precision("medium")
    cudnn.benchmark = cudnn.deterministic = True
    torch.use_deterministic_algorithms(True, warn_only=True)
    if ends:
        os._exit(3)
    blocks = [nn.Sequential(nn.Conv2d(channels if n == 0 else 4, 4, 3, 2, 1), nn.ReLU()) for n in range(5)]
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5), nn.Linear(4, 2))
    return Adn(nn.Sequential(*blocks, head), points=("0", "1", "2", "3", "4"))
"""


@pytest.fixture(autouse=True)
def spying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Where `spying` can be imported, and with no process kept before and after."""
    (tmp_path / "spying.py").write_text(SPY)
    monkeypatch.syspath_prepend(tmp_path)
    hydra = HydraConfig.instance().cfg
    end_kept()
    yield
    end_kept()
    HydraConfig.instance().cfg = hydra


Doing = Callable[..., None]


@pytest.fixture
def doing(tiny: tuple[str, ...]) -> Doing:
    """doing(home, "caan=none", n_jobs=3) does a run as Hydra's launcher, with such settings, lets a worker do it."""

    def done(home: Path, *words: str, launcher: str = "basic", **settings: Any) -> None:
        given = [f"hydra/launcher={launcher}", *tiny, f"paths.runs={home}", "trainer.max_epochs=2", *words]
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose("train", given, return_hydra_config=True)
        with open_dict(config):
            config.hydra.launcher.update(settings)
            HydraConfig.instance().cfg = None
            HydraConfig.instance().set_config(config)
            del config["hydra"]
        do(config)

    return done


def spied(heard: Path, *words: str) -> list[str]:
    return ["adn=cnn", "adn._target_=spying.spy", "adn.name=spy", f"+adn.heard={heard}", "caan=none", *words]


def told(heard: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in heard.read_text().splitlines()]


def outcome(home: Path) -> dict[str, Any]:
    """All figures of all runs, to the bit."""
    found = {}
    for folder in home.glob("detectors/*"):
        result = read_json(folder / "result.json")
        assert result is not None
        del result["seconds"]
        weights = torch.load(folder / "last.ckpt", weights_only=True)["state_dict"]
        bits = {name: value.numpy().tobytes() for name, value in weights.items()}
        found[folder.name] = result, (folder / "predictions.csv").read_text(), (folder / "curves.csv").read_text(), bits
    return found


def test_a_kept_process_does_runs_as_new_ones_do(doing: Doing, tmp_path: Path) -> None:
    runs = (
        spied(tmp_path / "heard", "seed=1"),
        ["adn=cnn", "caan=direct", "colorizer=autoencoder"],
        spied(tmp_path / "heard", "folds=3"),
    )
    for words in runs:
        doing(tmp_path / "kept", *words)
    first, last = told(tmp_path / "heard")
    assert first == last  # the process too
    for words in runs:
        end_kept()
        doing(tmp_path / "new", *words)
    assert len({found["pid"] for found in told(tmp_path / "heard")}) == 3
    assert outcome(tmp_path / "kept") == outcome(tmp_path / "new")
    logs = [file.read_text() for file in sorted(tmp_path.glob("kept/detectors/*/log.txt"))]
    assert [log.count("spied") for log in logs] == [0, 1, 1]


def test_a_new_process_follows_one_that_failed_or_died(doing: Doing, tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    doing(tmp_path, *spied(heard))
    with pytest.raises(FailedError, match="the loss is not finite"):
        doing(tmp_path, *spied(heard, "adn.lr=1e30"))
    doing(tmp_path, *spied(heard, "seed=1"))
    os.kill(told(heard)[-1]["pid"], signal.SIGKILL)  # while it waits
    doing(tmp_path, *spied(heard, "seed=2"))
    with pytest.raises(DiedError, match="exit code 3"):
        doing(tmp_path, *spied(heard, "+adn.ends=true"))
    doing(tmp_path, *spied(heard, "seed=3"))
    pids = [found["pid"] for found in told(heard)]
    assert [pids.index(pid) for pid in pids] == [0, 0, 2, 3, 3, 5]


def test_a_process_is_for_one_share_of_the_machine(doing: Doing, tmp_path: Path) -> None:
    for jobs in (2, 2, 3):
        seed = len(list(tmp_path.glob("detectors/*")))
        doing(tmp_path, *spied(tmp_path / "heard", f"seed={seed}"), launcher="joblib", n_jobs=jobs)
    pids = [found["pid"] for found in told(tmp_path / "heard")]
    assert pids[0] == pids[1] != pids[2]
    found = [read_json(file) or {} for file in tmp_path.glob("detectors/*/result.json")]
    assert sorted(result["at_once"] for result in found) == [2, 2, 3]


def test_workers_of_clusters_keep_no_process(doing: Doing, tmp_path: Path) -> None:
    for seed in (1, 2):
        doing(tmp_path, *spied(tmp_path / "heard", f"seed={seed}"), _target_="cluster.Launcher")
    first, last = told(tmp_path / "heard")
    assert first["pid"] != last["pid"]
