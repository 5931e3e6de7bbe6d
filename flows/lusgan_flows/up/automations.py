"""Automations beside the deployments' own triggers: lost runs, and notifications."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.events.actions import ChangeFlowRunState, SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.states import StateType

from lusgan_flows.event_names import HELD_BACK, REJECTED
from lusgan_flows.settings import SILENT_S
from lusgan_flows.up.home import UpError, UpSettings

PREFIX = "lusgan: "


def make_automations(settings: UpSettings) -> None:
    """Replace lusgan's automations by those wanted now. Raises UpError for an unknown block."""
    with get_client(sync_client=True) as client:
        wanted = [lost_runs()]
        for block in settings.notify:
            wanted += notifications(block, _block_id(client, block))
        for before in client.read_automations():
            if before.name.startswith(PREFIX):
                client.delete_automation(before.id)
        for automation in wanted:
            client.create_automation(automation)


def lost_runs() -> AutomationCore:
    """A run whose process, worker and all, is gone is told to have crashed: its heart stopped."""
    return AutomationCore(
        name=f"{PREFIX}runs that are lost have crashed",
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect={
                "prefect.flow-run.heartbeat",
                "prefect.flow-run.Completed",
                "prefect.flow-run.Failed",
                "prefect.flow-run.Cancelled",
                "prefect.flow-run.Crashed",
            },
            match={"prefect.resource.id": "prefect.flow-run.*"},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=SILENT_S),
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED, message="no sign of life: its process is gone"
            )
        ],
    )


def notifications(block: str, block_id: Any) -> list[AutomationCore]:
    """One automation for each kind of news, sent through a notification block."""
    news = {
        "a run failed": (
            {"prefect.flow-run.Failed", "prefect.flow-run.Crashed"},
            "lusgan: {{ flow_run.name }} {{ flow_run.state.name }}",
            "{{ flow_run.name }} of {{ flow.name }} ended as {{ flow_run.state.name }}: "
            "{{ flow_run.state.message }}\n{{ flow_run|ui_url }}",
        ),
        "a model is held back": (
            {HELD_BACK},
            "lusgan: the new model of score {{ event.payload.score }} is held back",
            "{{ event.payload.reason }}",
        ),
        "an exam is rejected": (
            {REJECTED},
            "lusgan: {{ event.payload.clips }} clips of a new exam cannot be used",
            "Exam {{ event.payload.exam }}: {{ event.payload.reasons|join('; ') }}. "
            "`lusgan check` names the files.",
        ),
    }
    return [
        AutomationCore(
            name=f"{PREFIX}{what}, to {block}",
            trigger=EventTrigger(
                expect=events,
                posture=Posture.Reactive,
                threshold=1,
                within=timedelta(0),
                for_each={"prefect.resource.id"},
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
            "in the UI under Blocks, and name it as TYPE/NAME, e.g. slack-webhook/ops"
        ) from None
