"""What becomes of a finished model of which something is damaged or gone.

Its weights are the last checkpoint's, so they are rebuilt from it, bit for bit. Where that is gone
too, but the weights are whole, the model stays without what was lost. Where an older checkpoint is
left, the training goes on from there. Where none is, nothing is trained again unless a person asks
for it (``runtime.repair``): a training may take days.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress

from lusgan_core.calls.call import Product, StageCall, StageContext, data_of, reference_to
from lusgan_core.calls.provenance import ArtifactRef, Manifest, digest_bytes
from lusgan_core.calls.records import aside_key, read_record, set_aside, whole
from lusgan_core.errors import DamagedError, MissingArtifactError, TrainingError, WeightsLostError
from lusgan_core.networks.weights import to_bytes
from lusgan_core.store import Store
from lusgan_core.training.checkpoint import generator_weights, read_checkpoint
from lusgan_core.training.folder import ModelFolder
from lusgan_core.training.options import TrainingOptions
from lusgan_core.training.previews import animation, readable
from lusgan_core.training.stage import ModelRecord, folder_of

LOG = logging.getLogger(__name__)
THEN = (
    "`lusgan run` rebuilds it from a checkpoint, or says that the model has to be trained again "
    "(`lusgan run --repair`)"
)


def weights(store: Store, trained: Manifest) -> bytes:
    """Read a model's weights; damaged ones are rebuilt from the last checkpoint.

    Args:
        store: Store with the model.
        trained: Manifest of its training.

    Returns:
        The safetensors file of its generator, with the digest that the manifest names.

    Raises:
        DamagedError: The weights are damaged or gone, and no checkpoint gives them again.
    """
    ref = trained.artifacts["generator"]
    try:
        return whole(store, ref, THEN)
    except MissingArtifactError:
        lost = DamagedError(f"{ref.key} is not in the store {store.uri}: {THEN}")
    except DamagedError as error:
        lost = error
    for key in ModelFolder(store, ref.key.rpartition("/")[0]).checkpoints():
        try:
            header = {"generator": trained.data["generator"]}
            data = to_bytes(generator_weights(store.get(key)), header)
        except (MissingArtifactError, TrainingError):
            continue
        if digest_bytes(data) == ref.digest:
            LOG.warning("%s; rebuilt from %s", lost, key)
            store.put(ref.key, data)
            return data
    raise lost


def mend(store: Store, trained: Manifest, name: str) -> bool:
    """Make something of a finished model again that is not its weights.

    Where that cannot be done as it was, it is left out of the manifest: the model stays without.

    Args:
        store: Store with the model.
        trained: Manifest of its training.
        name: Name of the artifact: ``history``, ``progress`` or ``checkpoint``.

    Returns:
        Whether it was made again.
    """
    folder = ModelFolder(store, trained.manifest_key.rpartition("/")[0])
    ref = trained.artifacts[name]
    for data in _made_again(folder, name):
        if digest_bytes(data) == ref.digest:
            store.put(ref.key, data)
            return True
    now = read_record(store, trained.manifest_key, Manifest)  # something else may have left it
    kept = {other: of for other, of in now.artifacts.items() if other != name}
    left = now.model_copy(update={"artifacts": kept})
    store.put(trained.manifest_key, left.sealed())
    return False


def _made_again(folder: ModelFolder, name: str) -> Iterator[bytes]:
    """What an artifact may have been, from the checkpoints or the previews."""
    from lusgan_core.training.loop import history_csv

    if name == "progress":
        shown = readable(folder.previews())
        if shown:
            yield animation(shown)
    for key in folder.checkpoints() if name == "history" else ():
        with suppress(MissingArtifactError, TrainingError, KeyError):
            tensors, header = read_checkpoint(folder.store.get(key))
            yield history_csv(tensors["history"][: header["iteration"]].numpy())


def what_is_left(call: StageCall, context: StageContext) -> Product | None:
    """Keep a finished model of which something was lost, as far as it can be kept.

    Args:
        call: The call of its training.
        context: Store and runtime.

    Returns:
        The model without what was lost; None where a training has to be made or gone on with.

    Raises:
        WeightsLostError: Its weights are lost, no checkpoint is left, and nobody has asked to train
            again.
    """
    store, aside = context.store, aside_key(call.manifest)
    if not store.exists(aside):
        return None
    newest = _newest_whole(store, call)
    if newest == TrainingOptions.model_validate(call.options).iterations:
        return None  # nothing is left to train, and everything is written again
    before = _before(store, aside, call)
    if before is not None:
        artifacts = _whole_ones(store, before)
        if "generator" in artifacts:
            return _without_lost(store, before, artifacts)
    if newest is not None or context.runtime.repair:
        return None
    raise WeightsLostError(
        f"the weights of {folder_of(call).rpartition('/')[2]} are damaged or gone, and no whole "
        "checkpoint is left to rebuild them from; the model was set aside: to train it again, run "
        "the same command with --repair (runtime.repair=true)"
    )


def is_lost(store: Store, trained: Manifest) -> bool:
    """Find out whether neither a model's weights nor any whole checkpoint are left.

    Args:
        store: Store with the model.
        trained: Manifest of its training.

    Returns:
        Whether the model is lost.
    """
    folder = ModelFolder(store, trained.manifest_key.rpartition("/")[0])
    if store.exists(trained.artifacts["generator"].key):
        return False
    left = (_iteration(store, key, trained.cache_key) for key in folder.checkpoints())
    return all(iteration is None for iteration in left)


def _newest_whole(store: Store, call: StageCall) -> int | None:
    keys = ModelFolder(store, folder_of(call)).checkpoints()
    found = (_iteration(store, key, call.cache_key) for key in keys)
    return next((iteration for iteration in found if iteration is not None), None)


def _iteration(store: Store, key: str, identity: str) -> int | None:
    """The iteration of a checkpoint; None for one that is damaged or another training's."""
    try:
        _, header = read_checkpoint(store.get(key))
        return int(header["iteration"]) if header.get("identity") == identity else None
    except (MissingArtifactError, TrainingError, KeyError, TypeError, ValueError):
        return None


def _before(store: Store, aside: str, call: StageCall) -> Manifest | None:
    try:
        before = Manifest.model_validate_json(store.get(aside))
    except (MissingArtifactError, ValueError):
        return None
    return before if before.cache_key == call.cache_key else None


def _whole_ones(store: Store, before: Manifest) -> dict[str, ArtifactRef]:
    """The artifacts that are what the manifest says; the others are set aside."""
    found = {}
    for name, ref in before.artifacts.items():
        try:
            is_there = reference_to(store, ref.key).digest == ref.digest
        except MissingArtifactError:
            continue
        if is_there:
            found[name] = ref
        else:
            set_aside(store, ref.key)
    return found


def _without_lost(store: Store, before: Manifest, artifacts: dict[str, ArtifactRef]) -> Product:
    folder = ModelFolder(store, before.manifest_key.rpartition("/")[0])
    if "progress" not in artifacts:
        shown = readable(folder.previews())
        if shown:
            key = folder.put("progress.gif", animation(shown))
            artifacts["progress"] = reference_to(store, key)
    lost = ", ".join(sorted(before.artifacts.keys() - artifacts.keys())) or "nothing"
    LOG.warning("%s stays, and has lost for good: %s", folder.prefix, lost)
    return Product(
        data_of(before, ModelRecord),
        artifacts=artifacts,
        counts=before.counts,
        timings_s=before.timings_s,
        device=before.device,
        seed=before.seed,
    )
