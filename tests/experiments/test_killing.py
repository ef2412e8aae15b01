"""Processes that are killed, and what is left of them."""

import os
import time
from pathlib import Path

from ser_mtl_modules.experiments import killing


def is_alive(pid):
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def test_processes_that_a_command_started_are_killed_with_it(tmp_path):
    def main():
        child = killing.FORK.Process(target=time.sleep, args=(600,))
        child.start()
        (tmp_path / str(child.pid)).mkdir()
        time.sleep(600)

    seconds, found = 0.5, []
    while not found:
        outcome = killing.run(main, tmp_path / "log", seconds=seconds)
        assert outcome == killing.KILLED
        found = [p for p in tmp_path.iterdir() if p.is_dir()]
        seconds *= 2  # on a busy machine it may not have come so far
    until = time.monotonic() + 10
    while any(is_alive(p.name) for p in found) and time.monotonic() < until:
        time.sleep(0.01)
    assert not any(is_alive(p.name) for p in found)


def test_ranks_are_told_who_they_are(tmp_path):
    def main():
        names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_PORT")
        print(" ".join(os.environ[name] for name in names))

    assert killing.run(main, tmp_path / "log", 2) == killing.ENDED
    first, second = sorted((tmp_path / "log").read_text().splitlines())
    assert first.startswith("0 0 2 ") and second.startswith("1 1 2 ")
    assert first.split()[3] == second.split()[3]  # where they meet


def test_a_rank_that_fails_ends_the_others(tmp_path):
    def main():
        if os.environ["RANK"] == "1":
            raise ValueError("this rank can't")
        time.sleep(600)

    assert killing.run(main, tmp_path / "log", 2) == killing.FAILED
    assert "this rank can't" in (tmp_path / "log").read_text()


def test_a_rank_may_outlive_another_and_then_fail(tmp_path):
    def main():
        if os.environ["RANK"] == "1":
            time.sleep(0.2)
            raise ValueError("the other one is gone")
        time.sleep(600)

    outcome = killing.run(main, tmp_path / "log", 2, seconds=0.1, gap=1.0)
    assert outcome == killing.KILLED


def test_what_was_printed_before_is_kept(tmp_path):
    log = tmp_path / "log"
    for word in ("one", "two"):
        killing.run(lambda word=word: print(word), log)
    assert log.read_text().split() == ["one", "two"]
