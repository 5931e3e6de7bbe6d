"""Generates a sample set: the HDF5 file, and what exporters make of its frames beside it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lusgan_core.api import Exporter, Samples
from lusgan_core.calls.call import Product, StageCall, StageContext, data_of, earlier, reference_to
from lusgan_core.generation.exports import Exports
from lusgan_core.generation.frames import generate
from lusgan_core.generation.stage import GenerationOptions, SampleSet
from lusgan_core.networks.device import pick_device
from lusgan_core.networks.weights import load_network
from lusgan_core.plugin_guard import inside_plugin
from lusgan_core.preprocessing.shard import write_shard
from lusgan_core.progress import track
from lusgan_core.registry import Registry
from lusgan_core.training.stage import ModelRecord, weights

Frame = NDArray[np.uint8]


def make_samples(call: StageCall, context: StageContext) -> Product:
    """Generate the frames of a call and write them in each of its formats.

    Args:
        call: A call that ``generation.stage.call`` made.
        context: Store with the model, plugins with its backbone and the exporters, and the device
            to run on.

    Returns:
        A ``SampleSet``; its artifacts are the HDF5 file ``frames`` and what the exporters wrote.

    Raises:
        MissingArtifactError: The model is not in the store.
        MissingError: The device is not available.
        UnknownPluginError: The model's backbone or an exporter is not installed.
        PluginError: The model's backbone or an exporter failed.
        DamagedError: The model's weights are damaged, and no checkpoint gives them again.
        TrainingError: They do not fit its backbone.
    """
    options = GenerationOptions.model_validate(call.options)
    trained = earlier(context, call.arguments["trained"])
    model = data_of(trained, ModelRecord)
    folder = call.manifest.rpartition("/")[0]
    device = pick_device(context.runtime.device)
    network = model.generator.build(context.registry).to(device)
    load_network(network, weights(trained, context.store))
    batches = generate(
        network,
        model.generator.values,
        model.generator.latent_size,
        options.seed,
        options.count,
        batch_size=options.batch_size,
    )
    batches = _named(batches, model.generator.backbone)
    told = Samples(
        score=model.score,
        model=model.name,
        seed=options.seed,
        count=options.count,
        weights=trained.artifacts["generator"].digest,
    )
    exports = Exports(context.store, folder, _exporters(options, context.registry), told)
    frames_key = f"{folder}/frames.h5"
    with tempfile.TemporaryDirectory(prefix="lusgan-") as scratch:
        path = Path(scratch) / "frames.h5"
        frames = _exported(batches, exports, call.label, options.count)
        said: dict[str, str | int | float] = {"seed": options.seed, "Description": told.statement}
        write_shard(path, frames, [model.score] * options.count, attributes=said)
        context.store.put(frames_key, path)
    artifacts = exports.finish()
    artifacts["frames"] = reference_to(context.store, frames_key)
    data = SampleSet(
        score=model.score,
        model=model.name,
        folder=folder,
        frames_key=frames_key,
        count=options.count,
        seed=options.seed,
    )
    counts = {"frames": options.count}
    return Product(data, artifacts, counts, device=device.type, seed=options.seed)


def _exporters(options: GenerationOptions, registry: Registry) -> list[tuple[Exporter, Any]]:
    """The exporters that the options name, each with its own options."""
    chosen = [registry.exporter(name) for name in options.formats]
    return [
        (exporter, exporter.options.model_validate(options.format_options.get(exporter.name, {})))
        for exporter in chosen
    ]


def _named(batches: Iterator[Frame], backbone: str) -> Iterator[Frame]:
    """Pass on every batch; what the generator raises is told with its backbone's name."""
    while True:
        with inside_plugin("backbone", backbone, "its generator, in eval mode,"):
            batch = next(batches, None)
        if batch is None:
            return
        yield batch


def _exported(
    batches: Iterable[Frame], exports: Exports, label: str, count: int
) -> Iterator[Frame]:
    """Pass on every frame of every batch, and give each to the exports as well, to read only."""
    with track(label, count, "frames") as task:
        for batch in batches:
            batch.flags.writeable = False
            for frame in batch:
                exports.add(frame)
                yield frame
            task.advance(len(batch))
