"""The executor whose workers are those of a Ray cluster."""

from __future__ import annotations

import contextlib
import functools
import importlib
import logging
import math
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, InvalidStateError
from types import ModuleType
from typing import Any, Final

from llm_brain.errors import DefinitionError, ExecutorError, WorkerDiedError, missing_dependency
from llm_brain.optimize.executors.calls import pack, run_packed, settle
from llm_brain.optimize.executors.contract import Argument, Result
from llm_brain.optimize.executors.processes import usable_cores
from llm_brain.optimize.executors.reentry import Reentrant

_AUTHENTICATION: Final = frozenset({"RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"})


class RayExecutor(Reentrant):
    """Spreads work over a Ray cluster: a Ray task for each piece of work.

    1. Without an address, a cluster of this machine's cores is started, which takes about ten seconds, and shut down in the end.
       It is for this process alone: it takes a random token that is written to no file. With an address, that cluster is used,
       and left as it is. A connection that this process has already is used before either.
    2. Ray runs a task again whose worker or node died, up to `max_retries` times; then comes a `WorkerDiedError`.
    3. Results arrive by Ray's own callbacks: nobody asks for them in a loop.

    Functions and classes of the main script travel with the work; whatever is in modules must be there on the nodes, llm_brain
    included: installed, or sent along by `runtime_env`.

    Args:
        address: Where the cluster is: "auto" for one that was started on this machine, "host:6379", or "ray://host:10001".
        workers: How many pieces of work run at the same time. Without it, as many as the cluster has CPUs for; a cluster that
            is still to grow has to be told.
        num_cpus: How many CPUs a piece of work takes.
        max_retries: How often work is run again at most, when its worker or node dies.
        runtime_env: What the nodes need, in Ray's words: `{"working_dir": ".", "pip": ["llm_brain"]}`.

    Raises:
        DefinitionError: A number is too small to mean anything.

    Example:
        >>> executor = RayExecutor("auto", num_cpus=4)
        >>> executor.submit(abs, -3)
        Traceback (most recent call last):
        ...
        llm_brain.errors.ExecutorError: RayExecutor has no workers outside its context: use it in `with executor:`
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        workers: int | None = None,
        num_cpus: float = 1,
        max_retries: int = 3,
        runtime_env: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if num_cpus <= 0 or max_retries < 0 or (workers is not None and workers < 1):
            message = (
                f"`num_cpus` ({num_cpus}) is above 0, `max_retries` ({max_retries}) at least 0, `workers` ({workers}) at least 1"
            )
            raise DefinitionError(message)
        self._address = address
        self._workers = workers
        self._num_cpus = num_cpus
        self._max_retries = max_retries
        self._runtime_env = dict(runtime_env or {})
        self._unfinished: dict[Future[Any], Any] = {}
        self._connection = contextlib.ExitStack()
        self._task: Any = None

    @property
    def workers(self) -> int:
        """How many pieces of work run at the same time.

        Raises:
            ExecutorError: It is the cluster that says so, and the executor is not entered.
        """
        if self._workers is not None:
            return self._workers
        self._check_entered()
        return max(1, _slots(_import_ray(), self._num_cpus))

    def submit(self, function: Callable[[Argument], Result], argument: Argument, /) -> Future[Result]:
        """Have a task of the cluster call the function.

        Raises:
            ExecutorError: The executor is not entered.
            NotPicklableError: The function or the argument cannot be sent to a worker, not even by cloudpickle.
        """
        self._check_entered()
        ray = _import_ray()
        reference = self._task.remote(pack(function, argument, dumps=ray.cloudpickle.dumps))
        future: Future[Result] = Future()
        self._unfinished[future] = reference
        future.add_done_callback(self._forget)
        reference.future().add_done_callback(functools.partial(_settle, future))
        if not self._contexts:  # another thread left meanwhile
            future.cancel()
        return future

    def _forget(self, future: Future[Any]) -> None:
        reference = self._unfinished.pop(future, None)
        if future.cancelled():
            future.set_running_or_notify_cancel()  # now those hear of it who wait for several futures
            if reference is not None:
                _import_ray().cancel(reference, force=True)

    def _start(self) -> None:
        ray = _import_ray()
        with contextlib.ExitStack() as stack:
            options: dict[str, Any] = {"num_cpus": self._num_cpus, "max_retries": self._max_retries}
            if ray.is_initialized():
                options["runtime_env"] = self._runtime_env
            elif self._address is None:
                cores = usable_cores() if self._workers is None else math.ceil(self._workers * self._num_cpus)
                stack.enter_context(_own_cluster(ray, num_cpus=cores, runtime_env=self._runtime_env))
            else:
                stack.enter_context(_connected(ray, address=self._address, runtime_env=self._runtime_env))
            if self._workers is None and not _slots(ray, self._num_cpus):
                message = f"no node of the cluster has {self._num_cpus} CPUs: lower `num_cpus`, or say `workers` if it will grow"
                raise ExecutorError(message)
            self._task = ray.remote(**options)(_run_in_task)
            self._connection = stack.pop_all()

    def _stop(self) -> None:
        for future in list(self._unfinished):
            future.cancel()
        self._connection.close()


def _run_in_task(call: bytes) -> bytes:
    return run_packed(call, dumps=_import_ray().cloudpickle.dumps)


def _settle(future: Future[Any], replied: Future[bytes]) -> None:
    error = replied.exception()
    if error is None:
        settle(future, replied.result())
    else:
        with contextlib.suppress(InvalidStateError):  # it was cancelled
            future.set_exception(_translated(error))


def _translated(error: BaseException) -> ExecutorError:
    """Say in our words why Ray has no reply."""
    exceptions = _import_ray().exceptions
    died = (exceptions.WorkerCrashedError, exceptions.NodeDiedError, exceptions.OutOfMemoryError, exceptions.ObjectLostError)
    lines = str(error).strip().splitlines() or [repr(error)]
    if isinstance(error, died):
        translated: ExecutorError = WorkerDiedError(f"the worker or its node died at every attempt: {lines[0]}")
    else:  # llm_brain itself is missing there, say
        advice = "every node needs the code, llm_brain included: installed, or sent along by `runtime_env`"
        translated = ExecutorError(f"Ray could not run the work ({lines[-1]}): {advice}")
    translated.__cause__ = error
    return translated


@contextlib.contextmanager
def _own_cluster(ray: ModuleType, **options: Any) -> Iterator[None]:
    # Ray listens on all the machine's addresses and runs what it is sent. With a token it obeys this process only, and given
    # one, it writes none to the home folder.
    wanted = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    if not _AUTHENTICATION & os.environ.keys():
        wanted["RAY_AUTH_TOKEN"] = _token()
    with _environment(wanted), _connected(ray, address="local", include_dashboard=False, **options):
        yield


@contextlib.contextmanager
def _connected(ray: ModuleType, *, address: str, **options: Any) -> Iterator[None]:
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **options)
    except Exception as error:
        message = f"there is no Ray at {address!r} ({error}): `ray start --head` starts one"
        raise ExecutorError(message) from error
    try:
        yield
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables that are not set, and let them be afterwards as they were."""
    before = {name: os.environ.get(name) for name in (*wanted, *_AUTHENTICATION)}  # Ray sets some of the latter itself
    os.environ.update({name: value for name, value in wanted.items() if before[name] is None})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@functools.cache
def _token() -> str:
    return secrets.token_hex(32)  # one for the life of this process: Ray remembers the first that it sees


def _slots(ray: ModuleType, num_cpus: float) -> int:
    """Count the pieces of work that the cluster's nodes have CPUs for."""
    return sum(int(node["Resources"].get("CPU", 0) // num_cpus) for node in ray.nodes() if node["Alive"])


def _import_ray() -> ModuleType:
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise missing_dependency("ray", extra="ray") from error
