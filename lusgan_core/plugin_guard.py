"""Runs code of plugins while they are looked for, so that a bad one disturbs nobody else.

``guarded`` surrounds all that a plugin does then: its import, its hooks, checks of its records.

- Whatever is printed to stdout, also by its file descriptor, goes to stderr: a program may be
  reading JSON there.
- What a plugin changes for the whole process is put back, and told: see ``SETTINGS``. Variables of
  the environment that were there keep their values; new ones stay.
- Threads that are started become daemons, so that they cannot keep the process from ending.
- A plugin that is slow is named on stderr.

``attempt`` turns what a plugin raises into an error with a reason, ``SystemExit`` and other
exceptions that no ``except Exception`` catches among them; Ctrl-C stays what it is.
``inside_plugin`` does so for what a plugin is asked to compute, with the name of its record.

There is no help in one process against a plugin that ends it (``os._exit``), crashes it, hangs for
good, or replaces parts of other modules: leave it out by ``LUSGAN_PLUGINS``.
"""

from __future__ import annotations

import io
import logging
import operator
import os
import random
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from typing import Any, TextIO, TypeVar

from lusgan_core.errors import ConfigError, PluginError, TrainingStopped
from lusgan_core.plugin_watch import slowness_told

LONGEST = 400
"""Characters of an exception's text that are shown."""
BLOCKS = 64
"""Blocks of 624 random words that may be drawn while a plugin is looked for."""

T = TypeVar("T")


@dataclass(frozen=True)
class Setting:
    """A setting of the whole process that a plugin may have changed."""

    name: str
    read: Callable[[], Any]
    """Returns its value; may raise where there is none."""
    put_back: Callable[[Any], None]
    module: str = "sys"
    """It is looked at only where this module is loaded."""
    usual: Callable[[], Any] | None = None
    """Its value where the module was first loaded by the plugin."""
    same: Callable[[Any, Any], bool] = operator.eq
    """Whether its value before counts as unchanged, given that after."""


def _module(name: str) -> Any:
    return sys.modules[name]


def _only_drawn(before: Any, after: Any) -> bool:
    """Whether Python's random numbers have only been drawn from, and not been seeded.

    Drawing is nobody's fault, and other threads do it, too. It makes a new block of 624 words when
    one is used up: a state reached by drawing has the words of one of the next blocks.
    """
    generator = random.Random()
    generator.setstate(before)
    for _ in range(BLOCKS):
        if generator.getstate()[1][:-1] == after[1][:-1]:
            return True
        generator.getrandbits(32 * (len(before[1]) - 1))
    return False


def _put_signals_back(handlers: dict[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        if handler is not None and signal.getsignal(number) != handler:
            signal.signal(number, handler)


def _put_logging_back(state: tuple[int, int, list[logging.Handler]]) -> None:
    logging.root.setLevel(state[0])
    logging.disable(state[1])
    logging.root.handlers[:] = state[2]


SETTINGS = (
    Setting("the working directory", os.getcwd, os.chdir),
    Setting(
        "handlers of signals",
        lambda: {number: signal.getsignal(number) for number in signal.valid_signals()},
        _put_signals_back,
    ),
    Setting(
        "the root logger",
        lambda: (logging.root.level, logging.root.manager.disable, logging.root.handlers[:]),
        _put_logging_back,
    ),
    Setting("sys.stderr", lambda: sys.stderr, lambda it: setattr(sys, "stderr", it)),
    Setting("sys.excepthook", lambda: sys.excepthook, lambda it: setattr(sys, "excepthook", it)),
    Setting("the recursion limit", sys.getrecursionlimit, sys.setrecursionlimit),
    Setting("Python's random numbers", random.getstate, random.setstate, same=_only_drawn),
    Setting(
        "numpy's handling of floating-point errors",
        lambda: _module("numpy").geterr(),
        lambda state: _module("numpy").seterr(**state),
        "numpy",
        lambda: {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"},
    ),
    Setting(
        "torch's default type",
        lambda: _module("torch").get_default_dtype(),
        lambda dtype: _module("torch").set_default_dtype(dtype),
        "torch",
        lambda: _module("torch").float32,
    ),
    Setting(
        "torch's default device",
        lambda: str(_module("torch").get_default_device()),
        lambda device: _module("torch").set_default_device(None if device == "cpu" else device),
        "torch",
        lambda: "cpu",
    ),
    Setting(
        "whether torch records gradients",
        lambda: _module("torch").is_grad_enabled(),
        lambda on: _module("torch").set_grad_enabled(on),
        "torch",
        lambda: True,
    ),
    Setting(
        "the number of torch's threads",
        lambda: _module("torch").get_num_threads(),
        lambda number: _module("torch").set_num_threads(number),
        "torch",
    ),
)
"""What is put back, beside filters of warnings and the environment."""


@contextmanager
def guarded(plugin: str, *, watched: bool = True) -> Iterator[list[str]]:
    """Keep what a plugin does in a block from reaching others.

    Args:
        plugin: Its name, for people.
        watched: Whether to tell on stderr that it takes long.

    Yields:
        A list that names what had to be put back, complete once the block has ended.
    """
    changed: list[str] = []
    watch = slowness_told(plugin if watched else "")
    with watch as slow, _stdout_on_stderr(), _threads_as_daemons(changed), _settings_kept(changed):
        yield changed
    changed += slow


def attempt(doing: str, function: Callable[[], T]) -> T:
    """Call a function of a plugin.

    Args:
        doing: What is being done, e.g. ``cannot be imported``; the reason begins with it.
        function: What to call.

    Returns:
        Its result.

    Raises:
        PluginError: It raised anything but Ctrl-C, or what a handler of a signal raises.
    """
    try:
        return function()
    except PluginError:
        raise  # it gives its reason already
    except BaseException as error:  # SystemExit and the like are no reason to end, either
        if is_stop(error):
            raise
        raise PluginError(f"{doing}: {described(error)}") from error


@contextmanager
def inside_plugin(kind: str, name: str, doing: str) -> Iterator[None]:
    """Tell whatever a block of a plugin's code raises with the plugin's kind and name, in one line.

    A stop passes through, and so does what already names a plugin.

    Args:
        kind: ``backbone``, ``loss``, ``penalty`` ...
        name: Name of the plugin's record.
        doing: What the code does, e.g. ``its generator's forward pass``.

    Raises:
        ConfigError: The plugin refuses its options or sizes by a ConfigError of its own.
        PluginError: The block raised anything else.
    """
    try:
        yield
    except (PluginError, TrainingStopped, GeneratorExit):
        raise
    except ConfigError as error:
        raise ConfigError(f"{kind} {name!r}: {error}") from error
    except BaseException as error:  # SystemExit and the like are no reason to end, either
        if is_stop(error):
            raise
        said = " ".join(str(error).split()) or "no reason given"
        raise PluginError(
            f"{kind} {name!r}: {doing} raised {type(error).__name__}: {said[:LONGEST]}; "
            "LUSGAN_TRACEBACK=1 shows where"
        ) from error


def described(error: BaseException) -> str:
    """An exception on one line, whatever its text is."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # a stranger's __str__
        text = "its text cannot be shown"
    text = text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
    return f"{type(error).__name__}: {text}"


def is_stop(error: BaseException) -> bool:
    """Whether an exception asks the process to stop, rather than being a fault of a plugin.

    That is Ctrl-C, and what a signal's handler raised, such as Prefect's, which ends a flow run.
    """
    if isinstance(error, KeyboardInterrupt):
        return True
    handlers = {
        getattr(signal.getsignal(number), "__code__", None) for number in signal.valid_signals()
    }
    return any(frame.f_code in handlers for frame, _ in traceback.walk_tb(error.__traceback__))


@contextmanager
def _stdout_on_stderr() -> Iterator[None]:
    """Lead stdout to stderr: Python's stream and, where there is one, the file descriptor."""
    aside = _aside()
    try:
        kept = os.dup(1) if sys.stdout is not None else -1
    except OSError:  # a process without stdout
        kept = -1
    try:
        with redirect_stdout(aside):
            if kept >= 0:
                _flush(sys.__stdout__)
                with suppress(OSError):
                    os.dup2(2, 1)
            yield
    finally:
        _flush(aside)
        if kept >= 0:
            _flush(sys.__stdout__)
            os.dup2(kept, 1)
            os.close(kept)


def _aside() -> TextIO:
    """A stream to stderr that plugins may keep, and even close: it is not stderr's own."""
    global _stream
    if _stream is None or _stream.closed:
        try:
            _stream = open(os.dup(2), "w", buffering=1, errors="backslashreplace")  # noqa: SIM115
        except OSError:  # a process without stderr
            _stream = io.StringIO()
    return _stream


_stream: TextIO | None = None


def _flush(stream: Any) -> None:
    with suppress(OSError, ValueError, AttributeError):
        stream.flush()


@contextmanager
def _threads_as_daemons(changed: list[str]) -> Iterator[None]:
    start, mine, started = threading.Thread.start, threading.get_ident(), []

    def start_as_daemon(thread: threading.Thread) -> None:
        if threading.get_ident() == mine:
            started.append(thread.name)
            with suppress(RuntimeError):
                thread.daemon = True
        start(thread)

    threading.Thread.start = start_as_daemon  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        threading.Thread.start = start  # type: ignore[method-assign]
        if started:
            changed.append(f"starts {len(started)} thread{'s' * (len(started) > 1)}")


@contextmanager
def _settings_kept(changed: list[str]) -> Iterator[None]:
    """Put the process's settings back after a block, and name those that had changed."""
    loaded = {setting.module for setting in SETTINGS if setting.module in sys.modules}
    before = {setting.name: _read(setting) for setting in SETTINGS if setting.module in loaded}
    environment = dict(os.environ)
    try:
        with warnings.catch_warnings():
            yield
    finally:
        if environment.items() - os.environ.items():
            os.environ.update(environment)
            changed.append("changes variables of the environment")
        for setting in SETTINGS:
            if setting.module not in loaded and setting.module in sys.modules and setting.usual:
                before[setting.name] = setting.usual()
            old = before.get(setting.name)
            if old is not None and not setting.same(old, _read(setting)):
                with suppress(Exception):
                    setting.put_back(old)
                changed.append(f"changes {setting.name}")


def _read(setting: Setting) -> Any:
    try:
        return setting.read()
    except Exception:  # e.g. a working directory that is gone
        return None
