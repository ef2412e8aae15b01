"""How the runs of a sweep are carried out: here, or as jobs of submitit.

submitit writes a job to a file, submits it to SLURM or starts it on this
machine, and asks it for a checkpoint when it has to make room; then it is
requeued, and goes on where it was: https://github.com/facebookincubator/submitit
"""

import contextlib
import math
import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

from ser_mtl_modules.errors import SerMtlError, import_optional
from ser_mtl_modules.locks import locked
from ser_mtl_modules.training.preemption import EXIT_CODE

# this module imports no torch, which would take a job's process seconds

OUTPUT = "train.out"  # in a run's folder: what it said on the terminal
DAY = 24 * 60  # minutes


class Training:
    """The processes of one run: its stages, one after the other.

    Where it is a job, submitit calls ``checkpoint`` when it gets SIGUSR1.

    Arguments
    ---------
    commands : list of list of str
        One for each stage; a stage that is finished returns at once.
    recipe : Path
        The folder to be in.
    folder : Path
        Of the run; gets what the processes say.
    n_shares : int
        How many runs share the cores of the processor. Each gets its part,
        unless OMP_NUM_THREADS is set.
    """

    def __init__(self, commands, recipe, folder, n_shares=1):
        self.commands = commands
        self.recipe = recipe
        self.folder = folder
        self.n_shares = n_shares
        self.process = None

    def __call__(self, *locks):
        """Runs what is not finished.

        Arguments
        ---------
        *locks : file object
            Locks that last as long as the processes, whatever becomes of
            this one.

        Returns
        -------
        int
            The last process's exit code.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "lock"
        with locked(path, "another process of this run") as lock, open(
            self.folder / OUTPUT, "a", encoding="utf-8"
        ) as output:
            for command in self.commands:
                code = EXIT_CODE
                while code == EXIT_CODE:  # it left, and nobody asked the job
                    code = self._run(command, output, [*locks, lock])
                if code:
                    break
        return code

    def _run(self, command, output, locks):
        n_threads = max(1, _n_cores() // self.n_shares)
        self.process = subprocess.Popen(
            command,
            cwd=self.recipe,
            env={"OMP_NUM_THREADS": str(n_threads), **os.environ},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=[lock.fileno() for lock in locks],
        )
        code = self.process.wait()
        self.process = None
        return code

    def checkpoint(self):
        """Lets the training save and end, and is the job that goes on.

        A process that is only just being started is not asked. The requeued
        job waits for it then, as it holds the lock.

        Returns
        -------
        submitit.helpers.DelayedSubmission
        """
        from submitit.helpers import DelayedSubmission

        if self.process is not None:
            self.process.send_signal(signal.SIGUSR1)
            # this may interrupt self.process.wait(), which can't be nested
            with contextlib.suppress(ChildProcessError):  # it has just ended
                os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)
        self.process = None
        return DelayedSubmission(self)


def _n_cores():
    """Those that this process may use.

    SpeechBrain's ``get_available_cpu_count`` does the same; it takes seconds
    to import.
    """
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        return os.cpu_count() or 1


class Processes:
    """Carries out trainings on this machine, in processes of this one.

    Arguments
    ---------
    n_at_once : int
        They share the cores of the processor.
    """

    def __init__(self, n_at_once):
        self.n_at_once = self.n_shares = n_at_once

    def run(self, trainings, begun, lock):
        """Yields what has ended, in the order of the ends.

        Arguments
        ---------
        trainings : dict of Run to Training
            To be carried out.
        begun : callable
            Is told a run and what it is doing.
        lock : file object
            Of the sweep; its processes keep it if they outlive it.

        Yields
        ------
        Run
        int
            Its exit code.
        """

        def train(run):
            begun(run, "runs")
            return trainings[run](lock)

        pool = ThreadPoolExecutor(self.n_at_once)
        try:
            work = {pool.submit(train, run): run for run in trainings}
            for done in as_completed(work):
                yield work[done], done.result()
        finally:  # after Ctrl-C, nothing new begins
            pool.shutdown(cancel_futures=True)


class Jobs:
    """Carries out trainings as jobs of submitit, one a run.

    Jobs outlive the sweep. Those that SLURM still has are found again.

    Arguments
    ---------
    cluster : str
        ``slurm`` or ``local``, which is this machine.
    resources : dict
        Parameters of submitit's ``AutoExecutor``, such as ``timeout_min`` (a
        day by default), ``gpus_per_node`` or ``slurm_partition``, and
        ``slurm_max_num_timeout``, how often a job may reach its time limit.
    folder : Path
        Gets submitit's files; all machines see it.
    n_at_once : int, optional
        By default all on a cluster, which has a queue, and one here.

    Raises
    ------
    SerMtlError
        If submitit is not installed or knows no such parameter, or SLURM is
        not there.
    """

    def __init__(self, cluster, resources, folder, n_at_once=None):
        here = cluster == "local"
        self.n_at_once = n_at_once or (1 if here else math.inf)
        self.n_shares = self.n_at_once if here else 1  # a job has its cores
        submitit = import_submitit()
        self.job_class = submitit.LocalJob if here else submitit.SlurmJob
        if several := {"nodes", "tasks_per_node"} & set(resources):
            raise SerMtlError(
                f"--resources: {several.pop()} would start a run several "
                "times over. For several GPUs of a machine, give "
                "gpus_per_node and --nproc."
            )
        resources = {"name": "ser-mtl", "timeout_min": DAY, **resources}
        limits = {
            name: resources.pop(name)
            for name in [*resources]
            if name.endswith("_max_num_timeout")
        }
        try:
            self.executor = submitit.AutoExecutor(folder, cluster, **limits)
            self.executor.update_parameters(**resources)
        # what it raises for names, types, values, and without SLURM
        except (NameError, TypeError, AssertionError, ValueError) as error:
            raise SerMtlError(f"--resources: {error}") from None
        except RuntimeError as error:
            raise SerMtlError(
                f"--executor {cluster}: {error} Give the command on a machine "
                "that can submit jobs, or take --executor local."
            ) from None

    def run(self, trainings, begun, lock):
        """As `Processes.run`; begun is told the job's number.

        The sweep's lock ends with the sweep. A job has one of its run.
        """
        running = self._left(trainings)
        waiting = [run for run in trainings if run not in running]
        for run, job in running.items():
            begun(run, f"job {job.job_id}")
        while waiting or running:
            while waiting and len(running) < self.n_at_once:
                run = waiting.pop(0)
                running[run] = self.executor.submit(trainings[run])
                begun(run, f"job {running[run].job_id}")
            for run, job in [*running.items()]:
                if job.done():
                    del running[run]
                    yield run, self._exit_code(job, trainings[run])
            time.sleep(1)

    def _left(self, trainings):
        """Jobs that an earlier sweep left in the queue, or running."""
        runs = {training.folder: run for run, training in trainings.items()}
        left, end = {}, "_submitted.pkl"
        for file in self.executor.folder.glob(f"*{end}"):
            job = self.job_class(file.parent, file.name.removesuffix(end))
            if not job.done():
                folder = job.submission().function.folder
                if folder in runs:
                    left[runs[folder]] = job
        return left

    @staticmethod
    def _exit_code(job, training):
        try:
            return job.result()
        except RuntimeError as error:  # killed, or out of time too often
            with open(training.folder / OUTPUT, "a", encoding="utf-8") as file:
                print(error, file=file)
                print(f"job {job.job_id} broke off: see above", file=file)
            return 1


def import_submitit():
    """The package, which is told to announce the end by SIGUSR1.

    Its own choice is SIGUSR2. Jobs see the same variable.

    Returns
    -------
    module
    """
    os.environ["SUBMITIT_PREEMPT_SIGNAL"] = "USR1"
    submitit = import_optional("submitit", "slurm", "--executor")
    submitit.JobEnvironment.USR_SIG = "USR1"  # if it was imported before
    return submitit
