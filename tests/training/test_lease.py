"""One training of a model at a time, and no lock left behind by a crash."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import time
from typing import Any

import psutil
import pytest

import tiny
from lusgan_core.errors import LeaseError
from lusgan_core.store import LocalStore
from lusgan_core.training import lease as lease_module
from lusgan_core.training.lease import TTL_S, Lease

KEY = "model/lease.json"


@pytest.fixture
def store(tmp_path):
    return LocalStore(tmp_path)


def put(store: LocalStore, **changes: Any) -> None:
    """Let somebody on another machine hold the lease, renewed just now."""
    held = {"host": "elsewhere", "pid": 4711, "started": "1", "renewed": time.time(), "token": "x"}
    space = {"space": lease_module._space()}
    store.put(KEY, json.dumps(held | space | changes).encode())


def holder(store: LocalStore) -> dict[str, Any]:
    return json.loads(store.get(KEY))


def test_a_second_training_is_refused_and_told_who_trains(plugins, tmp_path, store):
    """While a lease is held train() raises LeaseError with the holder's process and machine."""
    with Lease(store, KEY):
        with pytest.raises(
            LeaseError, match=f"process {os.getpid()} on {socket.gethostname()} .* wait for it"
        ):
            tiny.run(tmp_path, tiny.options(), plugins)
        assert [item.key for item in store.list()] == [KEY]
    assert tiny.run(tmp_path, tiny.options(iterations=1), plugins).resumed_from == 0
    assert not store.exists(KEY)


def test_a_lease_is_given_back_however_the_block_ends(store):
    """After an error inside the block the next one gets the lease."""
    with pytest.raises(ZeroDivisionError), Lease(store, KEY):
        raise ZeroDivisionError
    with Lease(store, KEY):
        assert holder(store)["pid"] == os.getpid()


def test_the_lease_of_a_dead_process_is_taken_over(store):
    """A holder on this machine whose process is gone holds nothing, however fresh its lease."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    put(store, host=socket.gethostname(), pid=gone.pid)
    with Lease(store, KEY):
        assert holder(store)["pid"] == os.getpid()


def test_the_lease_of_a_zombie_is_taken_over(store):
    """A holder that was killed and whose parent has not asked for its end yet holds nothing."""
    child = subprocess.Popen(["sleep", "60"])
    put(store, host=socket.gethostname(), pid=child.pid, started=lease_module._started(child.pid))
    with pytest.raises(LeaseError, match=f"process {child.pid}"), Lease(store, KEY):
        pass
    child.kill()
    while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    with Lease(store, KEY):
        assert holder(store)["pid"] == os.getpid()
    child.wait()


def test_a_process_that_only_has_the_number_of_the_holder_does_not_count(store):
    """A living process of that number which started at another time is not the holder."""
    put(store, host=socket.gethostname(), pid=os.getpid(), started="12")
    with Lease(store, KEY):
        assert holder(store)["started"] != "12"


def test_a_process_in_another_container_is_no_dead_one(store):
    """Containers that share a host's name count their processes apart: the lease is honoured."""
    if not os.path.exists("/proc/self/ns/pid"):
        pytest.skip("there are no such spaces here")
    put(store, host=socket.gethostname(), pid=2**22 + 1, space="pid:[1]")
    with pytest.raises(LeaseError, match="wait for it"), Lease(store, KEY):
        pass
    put(store, host=socket.gethostname(), pid=2**22 + 1, space=os.readlink("/proc/self/ns/pid"))
    with Lease(store, KEY):
        pass


def test_a_lease_from_elsewhere_counts_until_it_expires(store):
    """A lease on another machine is honoured for TTL_S seconds after its renewal, no longer."""
    put(store, renewed=time.time() - TTL_S + 30)
    with pytest.raises(LeaseError, match="process 4711 on elsewhere"), Lease(store, KEY):
        pass
    put(store, renewed=time.time() - TTL_S - 1)
    with Lease(store, KEY):
        assert holder(store)["host"] == socket.gethostname()


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"{}"])
def test_a_lease_that_cannot_be_read_is_void(store, content):
    """What no training wrote, or wrote in half, stops nobody."""
    store.put(KEY, content)
    with Lease(store, KEY):
        assert holder(store)["pid"] == os.getpid()


def test_renewing_moves_the_time_and_is_cheap(store, monkeypatch):
    """renew() writes the new time once RENEW_S seconds are over, and nothing before."""
    with Lease(store, KEY) as lease:
        first = store.get(KEY)
        lease.renew()
        assert store.get(KEY) == first
        monkeypatch.setattr(lease_module, "RENEW_S", 0.0)
        lease.renew()
        assert holder(store)["renewed"] > json.loads(first)["renewed"]


def test_who_lost_the_lease_notices_and_leaves_it_alone(store, monkeypatch):
    """When another took over a lease that had expired, renewing is an error, and the new holder's
    lease stays."""
    monkeypatch.setattr(lease_module, "RENEW_S", 0.0)
    with Lease(store, KEY) as lease:
        put(store)
        with pytest.raises(LeaseError, match="process 4711 on elsewhere has taken this training"):
            lease.renew()
    assert holder(store)["host"] == "elsewhere"


@pytest.mark.parametrize("void", [False, True])
def test_of_many_at_once_exactly_one_gets_it(store, void):
    """Eight threads ask at the same moment, for a free lease or for one that has expired; one
    trains, seven are told that it does."""
    if void:
        put(store, renewed=0)
    start, done = threading.Barrier(8), threading.Barrier(8)
    won, lost = [], []

    def ask() -> None:
        start.wait()
        try:
            with Lease(store, KEY):
                won.append(1)
                done.wait(30)
        except LeaseError:
            lost.append(1)
            done.wait(30)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 7)
