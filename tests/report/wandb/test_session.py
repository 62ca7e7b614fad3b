"""W&B's runs of a user without a home folder, as in many containers and batch jobs."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

NOBODY = """
import pwd, sys
from pathlib import Path
from typing import Any

def unknown(user):
    raise KeyError(f"getpwuid(): uid not found: {user}")

pwd.getpwuid = unknown

import wandb
from leanet.report.wandb import session

session.is_offline(False)
session.check_account(True)
run = session.begin(Path(sys.argv[1]), True, "abc", project="leanet")
session.log_epochs(run, [{"epoch": 1, "loss": 0.5}])
run.log({"table": wandb.Table(columns=["a"], data=[[1]])}, commit=True)
run.finish()
"""


@pytest.mark.parametrize("home", [None, "nowhere", "a-file"])
def test_offline_without_a_home_folder(home: str | None, tmp_path: Path) -> None:
    (tmp_path / "a-file").touch()
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "TMPDIR")}
    env = kept | ({"HOME": str(tmp_path / home)} if home else {})
    found = subprocess.run(
        [sys.executable, "-c", NOBODY, str(tmp_path / "run")], env=env, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stderr
    assert list(tmp_path.glob("run/wandb/offline-run-*-abc/run-abc.wandb"))
    assert list(tmp_path.glob("run/wandb/artifacts/staging"))


TRIAL = """
import sys
from pathlib import Path
from typing import Any
from leanet.report.wandb import session

for job in ("colorizer", "fold"):
    run = session.begin(Path(sys.argv[1]) / job / job, True, f"own-{job}", project="leanet", job_type=job)
    run.summary.update({"job": job})
    run.finish()
"""


def test_in_a_sweep_the_fold_is_the_trial(read_back: Any, tmp_path: Path) -> None:
    """W&B gives the id of the trial to every W&B run of the process, also to a colorizer's."""
    env = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}
    env |= {"WANDB_SWEEP_ID": "sweep", "WANDB_RUN_ID": "trial"}
    subprocess.run([sys.executable, "-c", TRIAL, str(tmp_path)], env=env, check=True)
    told = read_back(tmp_path)
    assert {name: run.summary["job"] for name, run in told.items()} == {"trial": "fold"}
