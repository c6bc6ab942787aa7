"""A stand-in for Hugging Face's package `spaces` as it behaves on ZeroGPU, for machines that are no ZeroGPU Space.

`GPU` forks a worker for a call and lets nothing but pickles pass: arguments in, what the generator yields out. As in
the real one (0.51): `duration` may be a function of the call's arguments and is asked here, before the fork; the worker
runs ahead of whoever reads; closing ends it at its next yield; an error comes back as Gradio's, by its name only; an
idle worker is used again, with all that it holds. Only what trajflow uses is there; everything else is refused.

SPACES_STAND_IN_LOG: a file that every duration is written to. SPACES_STAND_IN_FRESH=1: no worker is used twice.
SPACES_STAND_IN_QUOTA: the longest call that is granted, in seconds.
"""

import functools
import inspect
import multiprocessing
import multiprocessing.connection
import os
import pickle
import threading
import traceback
import warnings

import gradio

if not hasattr(gradio, "Blocks"):
    # As the real one: Gradio, which tries to import this while it is being imported itself, does without.
    raise ImportError("gradio is being imported")

FORK = multiprocessing.get_context("fork")


def GPU(task=None, *, duration=None):  # noqa: N802
    if task is None:
        return functools.partial(GPU, duration=duration)
    if not inspect.isgeneratorfunction(task):
        raise NotImplementedError(f"the stand-in lends to generator functions only, not to {task!r}")
    idle = []

    @functools.wraps(task)
    def call(*args, **kwargs):
        seconds = duration(*args, **kwargs) if callable(duration) else duration
        if type(seconds) is not int or seconds < 1:
            raise TypeError(f"the duration must be a whole number of seconds, got {seconds!r}")
        log, quota = os.environ.get("SPACES_STAND_IN_LOG"), os.environ.get("SPACES_STAND_IN_QUOTA")
        if log:
            with open(log, "a") as file:
                file.write(f"{seconds}\n")
        if quota and seconds > int(quota):
            message = f"You have exceeded your ZeroGPU quota ({seconds}s requested vs. {quota}s left)."
            raise gradio.Error(message, title="ZeroGPU quota exceeded", print_exception=False)
        worker = idle.pop() if idle else Worker(task)
        try:
            yield from worker.call(args, kwargs)
        finally:
            if os.environ.get("SPACES_STAND_IN_FRESH") == "1":
                worker.end()
            else:
                idle.append(worker)

    return call


class Worker:
    def __init__(self, task):
        self.asking, self._asked = FORK.Pipe()
        self._answered, self.answering = FORK.Pipe()
        self.stopping = FORK.Event()
        self._process = FORK.Process(target=serve, args=(task, self._asked, self.answering, self.stopping), daemon=True)
        with warnings.catch_warnings():
            # Python 3.12 warns of forking beside threads, which is what ZeroGPU does.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process.start()

    def call(self, args, kwargs):
        self.stopping.clear()
        self.asking.send_bytes(pickle.dumps((args, kwargs)))
        answers, ended = [], threading.Event()
        arrived = threading.Condition()

        def read():
            # Read at once, as the real one does: the worker never waits for its reader.
            while not ended.is_set():
                multiprocessing.connection.wait([self._answered, self._process.sentinel])
                aborted = not self._answered.poll()
                kind, value = ("error", "aborted") if aborted else pickle.loads(self._answered.recv_bytes())
                if kind != "yield":
                    ended.set()
                with arrived:
                    answers.append((kind, value))
                    arrived.notify()

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        try:
            while True:
                with arrived:
                    arrived.wait_for(lambda: answers)
                    kind, value = answers.pop(0)
                if kind == "end":
                    return
                if kind == "error":
                    raise gradio.Error(value, title="ZeroGPU worker error", print_exception=False)
                yield value
        finally:
            self.stopping.set()
            reader.join()

    def end(self):
        self.asking.send_bytes(pickle.dumps(None))
        self._process.join()


def serve(task, asked, answering, stopping):
    while (call := pickle.loads(asked.recv_bytes())) is not None:
        args, kwargs = call
        try:
            for value in task(*args, **kwargs):
                if stopping.is_set():
                    break
                answering.send_bytes(pickle.dumps(("yield", value)))
            last = ("end", None)
        except Exception as error:
            traceback.print_exc()
            last = ("error", type(error).__name__)
        answering.send_bytes(pickle.dumps(last))
