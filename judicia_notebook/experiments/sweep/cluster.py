"""A sweep on a Dask cluster: how to recognise a cluster, how many threads it has, and how modules get to its workers.

The bytes of modules and payloads go to each worker once, as a worker plugin. The scheduler hands the plugin to every
worker, also to a worker that joins later or comes back after a kill. Batches then name digests alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from typing import Any

from distributed import Client, WorkerPlugin

from judicia_notebook.experiments.sweep import contents, laboratory

ATTEMPTS = 3


class Delivery(WorkerPlugin):
    """The bytes that one sweep needs on every worker."""

    def __init__(self, key: str, parcel: Mapping[str, bytes]) -> None:
        self.name = f"judicia-sweep-{key}"
        self._key = key
        self._parcel = dict(parcel)

    def setup(self, worker: Any) -> None:  # noqa: ARG002  # the signature is Dask's
        """Run on a worker when it gets this."""
        contents.keep(self._parcel)

    def teardown(self, worker: Any) -> None:  # noqa: ARG002
        """Run on a worker when the sweep is over."""
        laboratory.close(self._key)


def client_of(executor: Any) -> Client:
    """The client behind what ``client.get_executor()`` gave, or the client itself."""
    return executor if isinstance(executor, Client) else executor._client  # noqa: SLF001  # it has no public name


def executor_of(executor: Any) -> Executor:
    """The executor, also where a client was given."""
    if not isinstance(executor, Client):
        found: Executor = executor
        return found
    make: Callable[..., Executor] = executor.get_executor
    return make(pure=False)


def threads(client: Client) -> int:
    """How many tasks all workers can run at once."""
    ask: Callable[[], Mapping[str, int]] = client.nthreads
    return sum(ask().values())


@contextmanager
def delivered(client: Client, key: str, parcel: Mapping[str, bytes]) -> Iterator[None]:
    """While the block runs, every worker has these bytes."""
    delivery = Delivery(key, parcel)
    remove: Callable[[str], object] = client.unregister_worker_plugin
    for _ in range(ATTEMPTS):
        with suppress(OSError):  # a worker went away in between; a worker that lacks bytes answers `Missing`
            client.register_plugin(delivery)
            break
    try:
        yield
    finally:
        with suppress(OSError):
            remove(delivery.name)
