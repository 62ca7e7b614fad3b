"""A Slurm of one machine, as far as submitit speaks to it: jobs are processes, and one that was requeued begins again.

A test links it as sbatch, srun, scontrol and sacct into a folder, which also holds the state of each job.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

HERE = Path(sys.argv[0]).parent


def sbatch(script: str) -> None:
    """Start the script's jobs, each with the variables by which submitit knows it."""
    text, number = Path(script).read_text(), os.getpid()
    copy = HERE / f"{number}.sh"  # submitit moves its own
    copy.write_text(text)
    array = re.search(r"--array=0-(\d+)", text)
    for place in range(int(array[1]) + 1 if array else 1):
        names = {"SLURM_ARRAY_JOB_ID": f"{number}", "SLURM_ARRAY_TASK_ID": f"{place}"} if array else {}
        environment = {**os.environ, **names, "SLURM_JOB_ID": f"{number}", "SLURM_NTASKS": "1", "SLURM_PROCID": "0"}
        command = [sys.executable, HERE / "job", f"{number}_{place}" if array else f"{number}", copy]
        quiet = subprocess.DEVNULL
        subprocess.Popen(command, env=environment, start_new_session=True, stdout=quiet, stderr=quiet)
    print(f"Submitted batch job {number}")


def job(name: str, script: str) -> None:
    state, again = HERE / f"{name}.state", HERE / f"{name}.again"
    state.write_text("RUNNING")
    while subprocess.run(["bash", script]).returncode and again.exists():
        again.unlink()
    state.write_text("COMPLETED")


def srun(*words: str) -> None:
    """srun --unbuffered --output OUT --error ERR COMMAND…"""
    names = {"%A": "SLURM_ARRAY_JOB_ID", "%a": "SLURM_ARRAY_TASK_ID", "%j": "SLURM_JOB_ID", "%t": "SLURM_PROCID"}
    for stream, file in ((1, words[2]), (2, words[4])):
        for sign, variable in names.items():
            file = file.replace(sign, os.environ.get(variable, ""))
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666), stream)
    os.execvp(words[5], words[5:])


def scontrol(_: str, name: str) -> None:
    (HERE / f"{name}.again").touch()


def sacct(*_: str) -> None:
    print("JobID|State|NodeList", *(f"{file.stem}|{file.read_text()}|here" for file in HERE.glob("*.state")), sep="\n")


ROLES: dict[str, Callable[..., None]] = {role.__name__: role for role in (sbatch, job, srun, scontrol, sacct)}

if __name__ == "__main__":
    ROLES[Path(sys.argv[0]).name](*sys.argv[1:])
