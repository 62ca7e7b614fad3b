"""Real processes, several playing hosts, that are killed, stopped and frozen: never two inside, never one forever."""

import contextlib
import errno
import random
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from leanet.errors import LeanetError
from leanet.storage import locks
from leanet.storage.files import read_json, write_text
from leanet.storage.locks import ensure_held, lock, tidy

BEAT, LOOK, LOOKS = 0.05, 0.05, 20
SILENCE = LOOK * LOOKS  # as short as a busy machine allows

PLAY = f"""
import fcntl, os, signal, sys, time
from pathlib import Path
from leanet.storage import locks
from leanet.errors import LeanetError
from leanet.storage.locks import lock
from leanet.storage.files import read_json, write_atomically, write_json, write_text

folder, name = Path(sys.argv[1]), sys.argv[2]
locks.host = lambda: name
locks.BEAT_SECONDS, locks.LOOK_SECONDS, locks.SILENT_LOOKS = {BEAT}, {LOOK}, {LOOKS}

def say(*words):
    print(*words, flush=True)

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
"""
HOLD = """
with lock(folder, on_wait=lambda: say("waiting")):
    say("held", time.monotonic())
    sys.stdin.readline()
"""
COUNT = """
for _ in range(int(sys.argv[3])):
    with lock(folder), (folder / "inside").open("w") as inside:
        fcntl.flock(inside, fcntl.LOCK_EX | fcntl.LOCK_NB)  # an error if there is another, who lives
        count = read_json(folder / "count.json") or 0
        time.sleep(0.005)
        write_json(folder / "count.json", count + 1)
    say("counted")
"""
STOPPED = """
def stand(moment):
    if moment == sys.argv[3]:
        say(moment)
        sys.stdin.readline()

def write(file):
    file.write(b"of the first")
    stand("writing")

with lock(folder):
    stand("about to write")
    try:
        write_atomically(folder / "kept", write)
    except LeanetError as error:
        say(error)
"""
WRITE = """
with lock(folder):
    write_text(folder / "kept", "of the second")
    say("written", sorted(path.name for path in folder.iterdir()))
    sys.stdin.readline()
"""
DIE = {
    "the dead one's claim is removed": "locks._Lease._take = die",
    "the own claim is made": "Path.rename = die",
    "the lease is taken": "locks._Lease._beat = die",
}
WITHOUT_FLOCK = """
import errno, types

def flock(file, how):
    raise OSError(errno.ENOSYS, "Function not implemented")

locks.fcntl = types.SimpleNamespace(**{**vars(fcntl), "flock": flock})
"""
FORK = """
with lock(folder):
    if not os.fork():
        say("forked")
        time.sleep(60)
    time.sleep(60)
"""


class Player:
    """A process that plays a host's."""

    def __init__(self, script: str, folder: Path, host: str, *arguments: str, temporary: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PLAY + script, str(folder), host, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            env={"TMPDIR": str(temporary), "PYTHONPATH": ":".join(sys.path)},
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self.stdin, self.stdout = self.process.stdin, self.process.stdout
        self._ready = selectors.DefaultSelector()
        self._ready.register(self.stdout, selectors.EVENT_READ)

    def line(self) -> str:
        return self.stdout.readline().strip()

    def says_nothing_for(self, seconds: float) -> bool:
        return not self._ready.select(seconds)

    def go_on(self) -> None:
        self.stdin.write("\n")

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        self.go_on()
        assert self.process.wait() == 0

    def close(self) -> None:
        self.kill()
        self._ready.close()
        self.stdout.close()
        with contextlib.suppress(BrokenPipeError):  # what it did not read is of no interest
            self.stdin.close()


Play = Callable[..., Player]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "folder"


@pytest.fixture
def play(folder: Path, tmp_path: Path) -> Iterator[Play]:
    """play(script, host, …) starts a process. When all are dead, the next leave nothing but what was written."""
    players: list[Player] = []
    hosts: set[str] = set()
    temporary = tmp_path / "tmp"
    temporary.mkdir()

    def start(script: str, host: str, *arguments: str, temporary: Path = temporary) -> Player:
        hosts.add(host)
        players.append(Player(script, folder, host, *arguments, temporary=temporary))
        return players[-1]

    yield start
    for player in players:
        player.close()
    for host in sorted(hosts):
        start(COUNT, host, "1").end()
    for player in players[-len(hosts) :]:
        player.close()
    assert {path.name for path in folder.iterdir()} <= {"kept", "count.json", "inside"}
    assert not list(temporary.glob("leanet-*/locks/*"))


def seconds_held_after(moment: float, player: Player) -> float:
    word, held = player.line().split()
    assert word == "held"
    return float(held) - moment


@pytest.mark.parametrize("hosts", ["aaa", "aabb"])
@pytest.mark.parametrize("kernel", ["", WITHOUT_FLOCK], ids=["flock", "no flock"])
def test_no_update_is_lost(hosts: str, kernel: str, play: Play, folder: Path) -> None:
    players = [play(kernel + COUNT, host, "6") for host in hosts]
    assert [player.process.wait() for player in players] == [0] * len(hosts)
    assert read_json(folder / "count.json") == 6 * len(hosts)


@pytest.mark.parametrize("killed", [False, True])
def test_a_second_process_of_the_host_waits_for_the_first_however_that_ends(killed: bool, play: Play) -> None:
    first = play(HOLD, "a")
    assert first.line().startswith("held")
    second = play("locks.LOOK_SECONDS = 60\n" + HOLD, "a")
    assert second.line() == "waiting"
    assert second.says_nothing_for(0.3)
    ended = time.monotonic()  # a clock that processes share
    first.kill() if killed else first.end()
    assert 0 < seconds_held_after(ended, second) < SILENCE / 2
    second.end()


def test_a_dead_process_is_replaced_by_a_later_one_of_its_host_without_waiting(play: Play) -> None:
    first = play(HOLD, "a")
    assert first.line().startswith("held")
    first.kill()
    second = play("locks.LOOK_SECONDS = 60\n" + HOLD, "a")
    assert second.line().startswith("held")
    second.end()


def test_one_of_two_other_hosts_replaces_the_dead_and_none_the_living(play: Play) -> None:
    first = play(HOLD, "a")
    assert first.line().startswith("held")
    others = [play(HOLD, host) for host in "bc"]
    for other in others:
        assert other.line() == "waiting"
        assert other.says_nothing_for(SILENCE)
    ended = time.monotonic()
    first.kill()
    while all(other.says_nothing_for(0.01) for other in others):
        pass
    [winner] = [other for other in others if not other.says_nothing_for(0)]
    [loser] = [other for other in others if other is not winner]
    assert SILENCE - BEAT - LOOK < seconds_held_after(ended, winner) < 5 * SILENCE
    assert loser.says_nothing_for(1.5 * SILENCE)
    winner.end()
    assert loser.line().startswith("held")
    loser.end()


@pytest.mark.parametrize("moment", DIE)
def test_who_replaces_the_dead_may_die_doing_it(moment: str, play: Play) -> None:
    first = play(HOLD, "a")
    assert first.line().startswith("held")
    first.kill()
    second = play(DIE[moment] + HOLD, "b")
    assert second.line() == "waiting"
    assert second.process.wait() == -signal.SIGKILL
    third = play(HOLD, "c")
    assert [third.line() for _ in range(2 if moment == "the lease is taken" else 1)][-1].startswith("held")
    third.end()


@pytest.mark.parametrize("moment", ["about to write", "writing"])
def test_who_was_stopped_and_replaced_writes_no_more(moment: str, play: Play, folder: Path) -> None:
    first = play(STOPPED, "a", moment)
    assert first.line() == moment
    first.signal(signal.SIGSTOP)
    second = play(WRITE, "b")
    assert second.line() == "written ['.lease', 'kept']"  # nothing half-written
    first.signal(signal.SIGCONT)
    first.go_on()
    told = first.line()
    assert told.startswith(f"{folder}: another host has taken this over")
    assert first.process.wait() == 0
    assert (folder / "kept").read_text() == "of the second"
    third = play(HOLD, "c")
    assert third.line() == "waiting"  # the end of the first did not free what the second holds
    assert third.says_nothing_for(1.5 * SILENCE)
    second.end()
    assert third.line().startswith("held")
    third.end()


def test_who_was_stopped_while_waiting_does_not_take_its_own_silence_for_the_others(play: Play) -> None:
    first, second = play(HOLD, "a"), play(HOLD, "b")
    players = {player.line().split()[0]: player for player in (first, second)}
    assert players.keys() == {"held", "waiting"}
    for player in players.values():
        player.signal(signal.SIGSTOP)
    time.sleep(1.5 * SILENCE)
    players["waiting"].signal(signal.SIGCONT)
    time.sleep(SILENCE / 5)
    players["held"].signal(signal.SIGCONT)
    assert players["waiting"].says_nothing_for(1.5 * SILENCE)
    players["held"].end()
    assert players["waiting"].line().startswith("held")
    players["waiting"].end()


def test_processes_that_do_not_see_each_others_temporary_files_wait_as_hosts_do(play: Play, tmp_path: Path) -> None:
    (tmp_path / "private").mkdir()
    first = play(HOLD, "a")
    assert first.line().startswith("held")
    second = play(HOLD, "a", temporary=tmp_path / "private")
    assert second.line() == "waiting"
    assert second.says_nothing_for(1.5 * SILENCE)
    first.end()
    assert second.line().startswith("held")
    second.end()


def test_a_forked_child_does_not_keep_its_parents_lock(play: Play) -> None:
    first = play(FORK, "a")
    assert first.line() == "forked"
    first.kill()
    second = play("locks.LOOK_SECONDS = 60\n" + HOLD, "a")
    assert second.line().startswith("held")
    second.end()


def test_a_server_that_is_away_for_a_moment_costs_no_lock(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "BEAT_SECONDS", 0.01)
    rename, failed = Path.rename, 0

    def away(self: Path, target: Path) -> Path:
        nonlocal failed
        if failed == 5:
            return rename(self, target)
        failed += 1
        raise OSError(errno.ESTALE, "Stale file handle")

    with lock(folder):
        monkeypatch.setattr(Path, "rename", away)
        before = [path.name for path in (folder / ".lease").iterdir()]
        while [path.name for path in (folder / ".lease").iterdir()] == before:
            time.sleep(0.01)
        write_text(folder / "kept", "")
    assert failed == 5
    assert [path.name for path in folder.iterdir()] == ["kept"]


def test_a_lock_on_one_folder_says_nothing_of_another(folder: Path, tmp_path: Path) -> None:
    with lock(folder), lock(tmp_path / "other", on_wait=lambda: pytest.fail("held")):
        (folder / ".lease").rename(tmp_path / "lost")
        ensure_held(tmp_path / "other/file")
        ensure_held(tmp_path / "folder-of-another-name")
        with pytest.raises(LeanetError, match="another host has taken this over"):
            ensure_held(folder / "inner/file")


@pytest.mark.parametrize("host", ["a", "b"])
def test_what_the_dead_left_is_cleared_away_and_the_living_are_let_alone(host: str, play: Play, folder: Path) -> None:
    first = play(HOLD, "a")
    assert first.line().startswith("held")
    (folder / ".kept.1.part").touch()
    before = sorted(folder.rglob("*"))
    clear = "locks.tidy(folder)"
    assert play(clear, host).process.wait() == 0
    assert sorted(folder.rglob(".kept*")) == [folder / ".kept.1.part"]
    first.kill()
    assert play(clear, host).process.wait() == 0
    assert list(folder.iterdir()) == [] if host == "a" else len(sorted(folder.rglob("*"))) == len(before)
    tidy(folder / "missing")
    assert not (folder / "missing").exists()


def test_a_lock_is_free_after_an_error_inside(folder: Path) -> None:
    with pytest.raises(RuntimeError), lock(folder):
        raise RuntimeError
    with lock(folder, on_wait=lambda: pytest.fail("still held")):
        pass
    assert not list(folder.iterdir())


@pytest.mark.slow
def test_never_two_inside_whoever_is_killed_and_whenever(play: Play, folder: Path) -> None:
    moments = random.Random(0)
    players = [play(COUNT, host, "1000000") for host in "aabbcc"]
    end, killed, counted = time.monotonic() + 30, 0, 0
    while time.monotonic() < end:
        time.sleep(moments.uniform(0, 0.6))
        place = moments.randrange(len(players))
        players[place].kill()
        counted += players[place].stdout.read().count("counted")
        killed += 1
        players[place] = play(COUNT, "aabbcc"[place], "1000000")
        assert all(player.process.poll() is None for player in players)  # else one met another inside
    for player in players:
        player.kill()
        counted += player.stdout.read().count("counted")
    assert killed > 30
    count = read_json(folder / "count.json")
    assert count is not None and counted <= count <= counted + killed + len(players)
