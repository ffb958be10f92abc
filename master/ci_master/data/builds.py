"""What is being done: builds and their steps."""

import json
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred

from ci_common.links import harmless
from ci_common.revisions import got_revisions, to_text
from ci_master.data.builders import Builders
from ci_master.data.conclusion import conclude
from ci_master.data.context import Context
from ci_master.data.model import (
    BuildRow,
    PropertyDict,
    Request,
    StepRow,
    properties_as_json,
)
from ci_master.storage import schema
from ci_master.storage.transaction import Group, Transaction

_LONGEST_STEP_NAME = 50


class Builds:
    """Builds of this master that run; a build that has ended is read from storage."""

    def __init__(self, context: Context, builders: Builders) -> None:
        self._context = context
        self._builders = builders
        #: By id.
        self.running: dict[int, BuildRow] = {}

    def start(self, builderid: int, request: Request, workerid: int | None) -> BuildRow:
        """Begin a build. It is told of by :meth:`announce`."""
        context = self._context
        build = BuildRow(
            id=context.store.next_id(schema.builds),
            number=self._builders.take_number(builderid),
            builderid=builderid,
            request=request,
            workerid=workerid,
            masterid=context.master_id,
            started_at=context.now(),
        )
        self.running[build.id] = build
        request.group = Group(request.buildset.group)
        act = context.transaction("the beginning of the build", build.group)
        act.insert(
            schema.builds,
            {
                "id": build.id,
                "number": build.number,
                "builderid": builderid,
                "buildrequestid": request.id,
                "workerid": workerid,
                "masterid": build.masterid,
                "started_at": build.started_at,
                "state_string": build.state_string,
            },
        )
        act.insert(schema.build_properties, {"id": build.id, "properties_json": "{}"})
        act.submit()
        return build

    def announce(self, build: BuildRow) -> None:
        """Tell that there is a new build."""
        act = self._context.transaction("a new build")
        self._tell(act, build, "new")
        act.submit()

    def set_state(self, build: BuildRow, text: str) -> None:
        """Say what the build is doing."""
        if text != build.state_string:
            build.state_string = text
            act = self._context.transaction("the state of the build", build.group)
            act.update(schema.builds, build.id, {"state_string": text})
            self._tell(act, build, "update")
            act.submit()

    def set_properties(self, build: BuildRow, properties: PropertyDict) -> None:
        """Store all properties of a build, and tell of those that are new or different."""
        before = build.properties
        changed = {name: pair for name, pair in properties.items() if before.get(name) != pair}
        if not changed and len(before) == len(properties):
            return
        build.properties = dict(properties)
        text = json.dumps(properties_as_json(properties), separators=(",", ":"))
        act = self._context.transaction("properties", build.group)
        act.update(schema.build_properties, build.id, {"properties_json": text})
        got = got_revisions(properties.get("got_revision", (None,))[0])
        if got != build.got_revision:
            build.got_revision = got
            act.update(schema.builds, build.id, {"got_revision": to_text(build.got_revision)})
            self._tell(act, build, "update")
        act.tell(
            lambda: properties_as_json(changed), ("builds", str(build.id), "properties", "update")
        )
        act.submit()

    def add_locks_duration(self, build: BuildRow, seconds: float) -> None:
        """Count time spent in waiting for locks."""
        build.locks_duration_s += int(seconds)
        act = self._context.transaction("the time spent in waiting for locks", build.group)
        act.update(schema.builds, build.id, {"locks_duration_s": build.locks_duration_s})
        act.submit()

    def set_data(self, build: BuildRow, name: str, value: bytes, source: str) -> "Deferred[None]":
        """Attach a named value to a build; one of the same name is replaced.

        :returns: fires when it is stored.
        """
        row = {
            "id": self._context.store.next_id(schema.build_data),
            "buildid": build.id,
            "name": name,
            "value": value,
            "length": len(value),
            "source": source,
        }
        table = schema.build_data
        same = (table.c.buildid == build.id) & (table.c.name == name)

        def replace(tx: Any) -> None:
            tx.execute(table.delete().where(same))
            tx.execute(table.insert(), row)

        act = self._context.transaction(f"the value '{name}' of the build")
        act.run(replace)
        return act.commit()

    def finish(self, build: BuildRow, results: int) -> None:
        """End a build; as EXCEPTION, if something of it could not be stored.

        That may turn out only after this call, but before anybody is told of the end.
        """
        build.complete_at = self._context.now()
        build.results = results
        self.running.pop(build.id, None)
        conclude(build, partial(self._end, build))

    def _end(self, build: BuildRow) -> Transaction:
        act = self._context.transaction("the end of the build", build.group)
        act.update(
            schema.builds,
            build.id,
            {
                "complete_at": build.complete_at,
                "results": build.results,
                "state_string": build.state_string,
                "failure": build.failure,
                "failed_step": build.failed_step,
            },
        )
        self._builders.count(act, build)
        self._tell(act, build, "finished")
        return act

    def _tell(self, act: Transaction, build: BuildRow, event: str) -> None:
        id = str(build.id)
        keys = [
            ("builds", id, event),
            ("builders", str(build.builderid), "builds", str(build.number), event),
        ]
        if build.workerid is not None:
            keys.append(("workers", str(build.workerid), "builds", id, event))
        act.tell(build.as_json, *keys)


class Steps:
    """The steps of running builds."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def add(self, build: BuildRow, name: str) -> StepRow:
        """Add a step that has not begun; its name is made unique within the build."""
        step = StepRow(
            id=self._context.store.next_id(schema.steps),
            number=len(build.steps),
            name=_unique(name[:_LONGEST_STEP_NAME], {step.name for step in build.steps}),
            buildid=build.id,
            group=Group(build.group),
        )
        build.steps.append(step)
        act = self._context.transaction(f"step '{step.name}'", step.group)
        act.insert(
            schema.steps,
            {
                "id": step.id,
                "buildid": build.id,
                "number": step.number,
                "name": step.name,
                "state_string": step.state_string,
            },
        )
        self._tell(act, step, "new")
        act.submit()
        return step

    def start(self, step: StepRow, *, locks_acquired: bool = False) -> None:
        """Begin a step."""
        now = step.started_at = self._context.now()
        values: dict[str, Any] = {"started_at": now}
        if locks_acquired:
            step.locks_acquired_at = values["locks_acquired_at"] = now
        self._change(step, "started", values)

    def locks_acquired(self, step: StepRow) -> None:
        """Note that the step has the locks it waited for."""
        step.locks_acquired_at = self._context.now()
        self._change(step, "updated", {"locks_acquired_at": step.locks_acquired_at})

    def set_state(self, step: StepRow, text: str) -> None:
        """Say what the step is doing."""
        if text != step.state_string:
            step.state_string = text
            self._change(step, "updated", {"state_string": text})

    def add_url(self, step: StepRow, name: str, url: str) -> None:
        """Add a link to a step, once."""
        link = {"name": name, "url": harmless(url)}
        if link not in step.urls:
            step.urls = [*step.urls, link]
            self._change(step, "updated", {"urls_json": json.dumps(step.urls)})

    def skip(self, step: StepRow) -> None:
        """Note that a step will not run: it never takes locks. Written when it is finished."""
        step.locks_acquired_at = None

    def finish(self, step: StepRow, results: int, hidden: bool) -> None:
        """End a step; as EXCEPTION, if something of it or of its logs could not be stored.

        That may turn out only after this call, but before anybody is told of the end.
        """
        step.complete_at = self._context.now()
        step.results = results
        step.hidden = hidden
        conclude(step, partial(self._end, step))

    def _end(self, step: StepRow) -> Transaction:
        values = {
            "locks_acquired_at": step.locks_acquired_at,
            "complete_at": step.complete_at,
            "results": step.results,
            "hidden": step.hidden,
            "state_string": step.state_string,
            "exit_code": step.exit_code,
            "ending": step.ending,
            "error_line": step.error_line,
        }
        act = self._context.transaction(f"the end of step '{step.name}'", step.group)
        act.update(schema.steps, step.id, values)
        self._tell(act, step, "finished")
        return act

    def _change(self, step: StepRow, event: str, values: dict[str, Any]) -> None:
        act = self._context.transaction(f"the state of step '{step.name}'", step.group)
        act.update(schema.steps, step.id, values)
        self._tell(act, step, event)
        act.submit()

    def _tell(self, act: Transaction, step: StepRow, event: str) -> None:
        id = str(step.id)
        keys = (("steps", id, event), ("builds", str(step.buildid), "steps", id, event))
        act.tell(step.as_json, *keys)


def _unique(name: str, taken: set[str]) -> str:
    if name not in taken:
        return name
    number = 1
    while (candidate := _numbered(name, number)) in taken:
        number += 1
    return candidate


def _numbered(name: str, number: int) -> str:
    tail = f"_{number}"
    return name[: _LONGEST_STEP_NAME - len(tail)] + tail
