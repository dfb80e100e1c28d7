"""Worker processes: jobs made side by side, results in the order they end, none outliving the process that began."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing.sharedctypes import Synchronized
from typing import TypeVar

from stxfer.core.devices import VISIBLE, devices
from stxfer.core.errors import StxferError
from stxfer.core.quiet import quiet_libraries
from stxfer.core.threads import VARIABLES, environment

Job = TypeVar("Job")
Result = TypeVar("Result")
AHEAD = 3  # jobs handed out for each worker: enough that none waits, however many jobs there are


class Pool:
    """Processes that do jobs, made by :func:`worker_pool`; without any, jobs are done in this process."""

    def __init__(self, executor: ProcessPoolExecutor | None = None, nj: int = 1) -> None:
        self._executor, self.nj = executor, nj

    def run(self, function: Callable[[Job], Result], jobs: Iterable[Job], *, what: str) -> Iterator[Result]:
        """Yield ``function(job)`` of every job, as each is done; jobs are taken from ``jobs`` a few ahead.

        Args:
            function: a function of a module; it and the jobs are pickled.
            jobs: what to do.
            what: how messages call the work.

        Raises:
            StxferError: a worker was killed; or what ``function`` raises.
        """
        if self._executor is None:
            yield from map(function, jobs)
            return
        todo = iter(jobs)
        running: set[Future[Result]] = set()
        try:
            while True:
                for job in islice(todo, AHEAD * self.nj - len(running)):
                    running.add(self._executor.submit(function, job))
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        except BrokenProcessPool:
            raise StxferError(f"{what}: a worker process was killed, most likely for memory; "
                              "run again with a smaller --nj") from None
        finally:
            for future in running:
                future.cancel()


HERE = Pool()


@contextlib.contextmanager
def worker_pool(nj: int) -> Iterator[Pool]:
    """Yield ``nj`` processes, started by the first job; with ``nj`` 1 jobs are done in this process.

    Where there are GPUs, each process sees one, and no two the same as long as there are enough.
    """
    if nj <= 1:
        yield HERE
        return
    before = {name: os.environ.get(name) for name in VARIABLES}
    os.environ.update(environment(1))  # a worker's arithmetic uses one core
    try:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(nj, context, initializer=_begin,
                                 initargs=(devices(), context.Value("i", 0))) as executor:
            yield Pool(executor, nj)
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _begin(names: Sequence[str], begun: Synchronized[int]) -> None:
    """Begin a worker: it takes the next of the devices, if there are any, and ends when its parent does."""
    if names:
        with begun.get_lock():
            os.environ[VISIBLE] = names[begun.value % len(names)]
            begun.value += 1
    quiet_libraries()
    _follow_parent()


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:  # a killed parent would leave its workers waiting for jobs for ever
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
