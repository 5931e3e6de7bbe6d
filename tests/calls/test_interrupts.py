"""Signals become a request to stop between two steps."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from lusgan_core.calls.interrupts import StopFlag, stop_on_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_for_a_stop(number):
    """It interrupts nothing and sets the flag; afterwards the old handler is back."""
    before = signal.getsignal(number)
    with stop_on_signals() as stop:
        assert not stop.requested
        os.kill(os.getpid(), number)
        assert stop.requested
    assert signal.getsignal(number) is before


def test_the_second_signal_goes_to_who_handled_it_before():
    """A second Ctrl-C interrupts at once, for those who cannot wait."""
    with stop_on_signals() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.requested
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_outside_the_main_thread_the_flag_is_set_by_request_alone():
    """There signals cannot be caught: the block works all the same and leaves handlers alone."""
    before, seen = signal.getsignal(signal.SIGINT), []

    def work() -> None:
        with stop_on_signals() as stop:
            seen.append((stop.requested, signal.getsignal(signal.SIGINT) is before))
            stop.request()
            seen.append((stop.requested, True))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(False, True), (True, True)]


def test_a_flag_once_set_stays_set():
    """Asking twice is asking once."""
    flag = StopFlag()
    flag.request()
    flag.request()
    assert flag.requested
