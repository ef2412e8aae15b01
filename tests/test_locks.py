import subprocess
import sys
import time

from ser_mtl_modules.locks import locked

HOLD = (
    "import sys, time; from ser_mtl_modules.locks import locked\n"
    "with locked(sys.argv[1]):\n"
    "    print('held', flush=True); time.sleep(60)"
)


def test_who_waits_says_so_and_goes_on_when_the_other_is_killed(
    tmp_path, caplog
):
    path = tmp_path / "lock"
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdout=subprocess.PIPE
    )
    assert other.stdout.readline() == b"held\n"

    class Kill:
        """What is waited for, which ends when it is told."""

        def __str__(self):
            other.kill()
            return "the other"

    begin = time.perf_counter()
    with caplog.at_level("INFO"), locked(path, Kill()):
        assert f"{path}: waiting for the other." in caplog.text
    assert time.perf_counter() - begin < 30
    other.wait()
    other.stdout.close()


def test_a_lock_ends_with_its_block(tmp_path):
    for _ in range(2):
        with locked(tmp_path / "lock"):
            pass
