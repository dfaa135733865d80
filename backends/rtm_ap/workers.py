"""Functions run in other processes: Python interpreters, started afresh, that take calls through a pipe.

Unlike those of ``multiprocessing`` they never import the caller's ``__main__``, so a script that compiles a model needs
no ``if __name__ == "__main__"``; and nothing is forked, so no lock of the caller's threads can be left behind held.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import IO, Any, cast

from ir.errors import UserError

_SERVE = "import sys; sys.path[:] = sys.argv[1:]; from backends.rtm_ap.workers import serve; serve()"


class WorkerPool:
    """``count`` worker processes; a context manager that ends them, whatever they are at."""

    def __init__(self, count: int) -> None:
        self._workers: list[_Worker] = []
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        self._threads = ThreadPoolExecutor(count)
        try:
            for _ in range(count):
                self._workers.append(_Worker())
                self._idle.put(self._workers[-1])
        except BaseException:
            self.close()
            raise

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Call ``function(*arguments)`` in the next worker that is free; all of it, and the result, must pickle.

        What the function raises, the future raises (with the worker's traceback as a note, unless it is a UserError).
        UserError where the process was ended from outside.
        """
        return self._threads.submit(self._call, function, arguments)

    def _call(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        worker = self._idle.get()
        try:
            return worker.call(function, arguments)
        finally:
            self._idle.put(worker)

    def close(self) -> None:
        """End the processes. Calls that have not ended fail."""
        for worker in self._workers:
            worker.kill()
        self._threads.shutdown(cancel_futures=True)
        for worker in self._workers:
            worker.close()

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Worker:
    def __init__(self) -> None:
        command = [sys.executable, "-c", _SERVE, *sys.path]
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        except OSError as error:
            raise UserError(f"a worker process does not start ({error}): use --workers 1") from error
        self._calls = cast(IO[bytes], self._process.stdin)
        self._answers = cast(IO[bytes], self._process.stdout)

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        message = pickle.dumps((function, arguments), pickle.HIGHEST_PROTOCOL)
        try:
            self._calls.write(message)
            self._calls.flush()
            done, value = pickle.load(self._answers)
        except (OSError, EOFError, pickle.UnpicklingError):
            status = self._process.wait()
            how = f"by signal {-status}" if status < 0 else f"with status {status}"
            raise UserError(
                f"a worker process was ended {how}: is there too little memory? Use fewer (--workers 1)"
            ) from None
        if done:
            return value
        raise value

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        self._process.wait()
        self._answers.close()
        try:
            self._calls.close()
        except OSError:  # a call that it did not read is still in the buffer
            pass


def serve() -> None:
    """What a worker process does: answer calls until its standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the caller ends its workers when it is interrupted
    calls = os.fdopen(sys.stdin.fileno(), "rb")
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # nothing that is printed may get between the answers
    while calls.peek(1):
        try:
            function, arguments = pickle.load(calls)
            answer = True, function(*arguments)
        except Exception as error:
            if not isinstance(error, UserError):
                error.add_note(traceback.format_exc())
            answer = False, error
        answers.write(pickle.dumps(answer, pickle.HIGHEST_PROTOCOL))
        answers.flush()
