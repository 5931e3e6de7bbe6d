"""Automations beside the deployments' own triggers: notifications."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.events.actions import SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture

from lusgan_core.pipeline.events import HELD_BACK, LOOKED, REJECTED
from lusgan_core.pipeline.last_look import SILENT_H
from lusgan_ops.email_block import Email
from lusgan_ops.up.home import UpError, UpSettings

PREFIX = "lusgan: "
FAILED = "a run failed"
AGAIN = timedelta(hours=1)
"""Time without a further notification of failed runs of the same flow."""


def make_automations(settings: UpSettings) -> None:
    """Replace lusgan's automations by those of the settings.

    Raises UpError where a notification block is named that the server does not have.
    """
    Email.register_type_and_schema()
    with get_client(sync_client=True) as client:
        wanted: list[AutomationCore] = []
        for block in settings.notify:
            wanted += notifications(block, _block_id(client, block))
        for before in client.read_automations():
            if before.name.startswith(PREFIX):
                client.delete_automation(before.id)
        for automation in wanted:
            client.create_automation(automation)


def notifications(block: str, block_id: Any) -> list[AutomationCore]:
    """Make one automation for each kind of news, sent through a notification block.

    A mail is sent only where somebody has to act: of rejected clips other blocks tell. No text of
    an error is sent, for that of an unexpected one may hold a path, and with it a patient.

    Args:
        block: The block as TYPE/NAME, for the automations' names.
        block_id: Its id on the server.

    Returns:
        The automations, not yet on the server.
    """
    news = {
        FAILED: (
            {"prefect.flow-run.Failed", "prefect.flow-run.Crashed"},
            "lusgan: {{ flow_run.name }} {{ flow_run.state.name }}",
            "{{ flow_run.name }} of {{ flow.name }} ended as {{ flow_run.state.name }}. The reason "
            "is in the UI: {{ flow_run|ui_url }}",
        ),
        "a model is held back": (
            {HELD_BACK},
            "lusgan: the new model of score {{ event.payload.score }} is held back",
            "{{ event.payload.reason }}\nThe current model stays. `lusgan models` lists both; "
            "`lusgan promote` or `lusgan reject`, or the deployment `approve`, decides on it.",
        ),
        "an exam is rejected": (
            {REJECTED},
            "lusgan: {{ event.payload.clips }} clips of a new exam cannot be used",
            "Exam {{ event.payload.exam }}: {{ event.payload.reasons|join('; ') }}. "
            "`lusgan check` names the files.",
        ),
    }
    if block.startswith("email/"):
        del news["an exam is rejected"]
    looks = EventTrigger(
        expect={LOOKED}, posture=Posture.Proactive, threshold=1, within=timedelta(hours=SILENT_H)
    )
    silent = SendNotification(
        block_document_id=block_id,
        subject=f"lusgan: no look for new exams for {SILENT_H:g} hours",
        body="The deployment `watch` looks no more: `lusgan status` and `lusgan doctor` say why.",
    )
    name = f"{PREFIX}nobody looks for new exams, to {block}"
    return [AutomationCore(name=name, trigger=looks, actions=[silent])] + [
        AutomationCore(
            name=f"{PREFIX}{what}, to {block}",
            trigger=EventTrigger(
                expect=events,
                posture=Posture.Reactive,
                threshold=1,
                within=AGAIN if what == FAILED else timedelta(0),
                for_each={
                    "related:flow:prefect.resource.id" if what == FAILED else "prefect.resource.id"
                },
            ),
            actions=[SendNotification(block_document_id=block_id, subject=subject, body=body)],
        )
        for what, (events, subject, body) in news.items()
    ]


def _block_id(client: SyncPrefectClient, block: str) -> Any:
    kind, _, name = block.partition("/")
    try:
        return client.read_block_document_by_name(name, kind).id
    except Exception as error:
        raise UpError(
            f"--notify {block}: the server has no such block ({type(error).__name__}): make one "
            "in the UI under Blocks, and name it as TYPE/NAME, e.g. email/ops or slack-webhook/ops"
        ) from None
