"""One training of a model at a time, and no lock left behind by a crash."""

from __future__ import annotations

import contextlib
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
    """Let somebody on another machine hold the lease."""
    held = {"host": "elsewhere", "pid": 4711, "started": "1", "beat": 0, "token": "x"}
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


@pytest.fixture
def clock(monkeypatch):
    """Let a test turn this machine's own clock; those of other machines may say what they will."""
    monkeypatch.setattr(lease_module, "_STANDING", {})
    now = [1000.0]
    monkeypatch.setattr(lease_module.time, "monotonic", lambda: now[0])
    return now


def refused(store: LocalStore) -> bool:
    with contextlib.suppress(LeaseError), Lease(store, KEY):
        return False
    return True


@pytest.mark.parametrize("theirs", [-3600.0, -240.0, 0.0, 3600.0])
@pytest.mark.parametrize("edition", ["beat", "renewed"])
def test_a_lease_from_elsewhere_counts_until_it_stands_still(store, clock, theirs, edition):
    """As long as its number changes it is honoured, whatever clock its holder has; void it is once
    it was seen to stand still for TTL_S seconds. So it is with a lease of lusgan 0.1, which holds
    the time of its renewal."""
    for renewal in range(4):
        put(store, **{edition: time.time() + theirs + renewal})
        assert refused(store)
        clock[0] += TTL_S - 1
        assert refused(store)
    clock[0] += 2
    assert not refused(store)


def test_two_holders_who_never_renewed_are_two(store, clock):
    """A lease that another machine took over meanwhile counts from then on."""
    put(store, token="first")
    assert refused(store)
    clock[0] += TTL_S - 1
    put(store, token="second")
    assert refused(store)
    clock[0] += 2
    assert refused(store)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[1]", b"{}", b"null", b'{"token": null}', b'{"token": "x", "pid": null}',
     b'{"token": "x", "started": null}', b'{"token": "x", "started": "soon"}'],
)  # fmt: skip
def test_a_lease_that_cannot_be_read_is_void(store, content):
    """What no training wrote, or wrote in half, stops nobody."""
    store.put(KEY, content)
    with Lease(store, KEY):
        assert holder(store)["pid"] == os.getpid()


def test_renewing_counts_and_is_cheap(store, monkeypatch):
    """renew() counts up once RENEW_S seconds are over, and nothing before."""
    with Lease(store, KEY) as lease:
        first = store.get(KEY)
        lease.renew()
        assert store.get(KEY) == first
        monkeypatch.setattr(lease_module, "RENEW_S", 0.0)
        lease.renew()
        assert holder(store)["beat"] > json.loads(first)["beat"]


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
        gone = subprocess.Popen(["true"])
        gone.wait()
        put(store, host=socket.gethostname(), pid=gone.pid)
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
