"""Message formatters: from a build, or a buildset, to a text and its subject."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import succeed

from ci_common.aio import call_override, settle
from ci_common.errorline import shortened
from ci_master.data.faults import configFault
from ci_master.data.recorded import Recorded
from ci_master.reporters import templates
from ci_master.reporters.context import (
    Context,
    create_context_for_build,
    create_context_for_buildset,
    create_context_for_worker,
)
from ci_master.reporters.deferring import deferring
from ci_master.reporters.mailtext import LONGEST_SUBJECT

Message = dict[str, Any]

TEMPLATE_TYPES = ("plain", "html", "json")


class MessageFormatterBase(Recorded):
    """Makes messages.

    A subclass overrides :meth:`render_message_body` and :meth:`render_message_subject`, or
    :meth:`buildAdditionalContext`. All of them may be coroutines.

    :param ctx: further names that templates and functions can use.
    :type ctx: dictionary or None
    :param want_properties: load the properties of the builds.
    :param want_steps: load the steps of the builds.
    :param want_logs: load the logs of the steps, without their text.
    :param want_logs_content: load the text of all logs, or of those with these names.
    :type want_logs_content: True, False or list of strings
    """

    template_type = "plain"
    #: Whether the context tells what came of builds: ``failure``, ``failed_step``, ``commits``.
    want_outcome = True

    def __init__(
        self,
        ctx: Mapping[str, Any] | None = None,
        want_properties: bool = True,
        want_steps: bool = False,
        want_logs: bool = False,
        want_logs_content: Any = False,
    ) -> None:
        self.context = dict(ctx or {})
        self.want_properties = want_properties
        self.want_logs_content = want_logs_content
        self.want_logs = bool(want_logs or want_logs_content)
        self.want_steps = bool(want_steps or self.want_logs)

    def buildAdditionalContext(self, master: Any, ctx: Context) -> Any:
        """Add to the context."""
        ctx.update(self.context)
        return succeed(None)

    def render_message_body(self, context: Context) -> Any:
        """The body."""
        return None

    def render_message_subject(self, context: Context) -> Any:
        """The subject; None for the reporter's own."""
        return None

    def render_message_extra_info(self, context: Context) -> Any:
        """What else reporters may use: name -> dict."""
        return None

    @deferring
    async def render_message_dict(self, master: Any, context: Context) -> Message:
        """The message: body, type, subject and extra_info."""
        await call_override(self.buildAdditionalContext, master, context)
        context.setdefault("master", master)
        body = await settle(self.render_message_body(context))
        if self.template_type == "json" and isinstance(body, str):
            body = json.loads(body)
        return {
            "body": body,
            "type": self.template_type,
            "subject": await settle(self.render_message_subject(context)),
            "extra_info": await settle(self.render_message_extra_info(context)),
        }

    @deferring
    async def format_message_for_build(
        self,
        master: Any,
        build: Mapping[str, Any],
        is_buildset: bool = False,
        users: Sequence[str] | None = None,
        mode: Sequence[str] | None = None,
    ) -> Message:
        """The message for a build that has its details."""
        known = self.want_outcome and build.get("buildid") is not None
        outcome = await settle(master.data.outcome(build["buildid"])) if known else None
        context = create_context_for_build(mode, build, is_buildset, master, users, outcome)
        return await settle(self.render_message_dict(master, context))

    @deferring
    async def format_message_for_buildset(
        self,
        master: Any,
        buildset: Mapping[str, Any],
        builds: Sequence[Mapping[str, Any]],
        is_buildset: bool = True,
        users: Sequence[str] | None = None,
        mode: Sequence[str] | None = None,
    ) -> Message:
        """The message for a whole buildset; the builds have their details."""
        outcomes = []
        if self.want_outcome:
            outcomes = [await settle(master.data.outcome(one["buildid"])) for one in builds]
        context = create_context_for_buildset(mode, buildset, builds, master, users, outcomes)
        return await settle(self.render_message_dict(master, context))


class MessageFormatterEmpty(MessageFormatterBase):
    """Makes messages without body and subject, for reporters that write their own text."""

    want_outcome = False


class MessageFormatterFunction(MessageFormatterBase):
    """Makes messages whose body a function returns.

    :param function: gets the context, a dictionary, and returns the body; may be ``async``.
    :type function: function
    :param template_type: what the function returns: "plain", "html" or "json".
    :type template_type: string
    """

    def __init__(self, function: Callable[[Context], Any], template_type: str, **kwargs: Any):
        super().__init__(**kwargs)
        _check_function(function)
        self.template_type = _checked_type(template_type)
        self._function = function

    def render_message_body(self, context: Context) -> Any:
        """What the function says."""
        return self._function(context)


class MessageFormatterFunctionRaw(MessageFormatterBase):
    """Makes messages that a function returns as a whole.

    :param function: gets the master and the context, and returns a dictionary with ``body``
        and, if wanted, ``type``, ``subject`` and ``extra_info``; may be ``async``.
    :type function: function
    """

    def __init__(self, function: Callable[[Any, Context], Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        _check_function(function)
        self._function = function

    @deferring
    async def render_message_dict(self, master: Any, context: Context) -> Message:
        """What the function says."""
        await call_override(self.buildAdditionalContext, master, context)
        made = await call_override(self._function, master, context)
        if not isinstance(made, Mapping):
            raise TypeError(f"the function of a message formatter gave {made!r}, not a dict")
        wholly = {"body": None, "type": "plain", "subject": None, "extra_info": None}
        return {**wholly, **made}


class MessageFormatterRenderable(MessageFormatterBase):
    """Makes messages from renderables over the properties of the build.

    :param template: the body, such as ``Interpolate("build %(prop:buildnumber)s")``.
    :type template: string or renderable
    :param subject: the subject, filled in in the same way.
    :type subject: string, renderable or None
    """

    want_outcome = False

    def __init__(self, template: Any, subject: Any = None) -> None:
        super().__init__()
        self.template = template
        self.subject = subject

    def render_message_body(self, context: Context) -> Any:
        """The template, filled in."""
        return self._render(context, self.template)

    def render_message_subject(self, context: Context) -> Any:
        """The subject, filled in."""
        return self._render(context, self.subject)

    async def _render(self, context: Context, value: Any) -> Any:
        if value is None or isinstance(value, str):
            return value
        if "build" in context:
            properties = context["build"].get("properties") or {}
        else:
            properties = {}
            for build in context["builds"]:
                properties.update(build.get("properties") or {})
        return await context["master"].render(value, properties)


class MessageFormatterBaseJinja(MessageFormatterBase):
    """Body and subject are Jinja templates.

    :param template: the Jinja template of the body; None stands for a text that fits what is
        reported.
    :type template: string or None
    :param subject: the Jinja template of the subject.
    :type subject: string or None
    :param template_type: the kind of body: "plain", "html" (values are escaped) or "json".
    :type template_type: string or None
    :param extra_info_cb: gets the context and returns a dictionary that the reporter may use.
    :type extra_info_cb: function or None
    """

    default_bodies: Mapping[str, str] = {}
    default_subject: str | None = None

    def __init__(
        self,
        template: str | None = None,
        subject: str | None = None,
        template_type: str | None = None,
        extra_info_cb: Callable[[Context], Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if template_type is not None:
            self.template_type = _checked_type(template_type)
        if template is None:
            template = self.default_bodies.get(self.template_type)
            if template is None and self.default_bodies:
                configFault(
                    f"there is no usual text of type '{self.template_type}'",
                    "write template='...'",
                )
        else:
            templates.check_template(template, "template of the message")
        if subject is None:
            subject = self.default_subject
        else:
            templates.check_template(subject, "template of the subject")
        self.body_template = template
        self.subject_template = subject
        self.extra_info_cb = extra_info_cb

    def render_message_body(self, context: Context) -> Any:
        """The template of the body, filled in."""
        return templates.fill_in(self.body_template or "", context, self.template_type)

    def render_message_subject(self, context: Context) -> Any:
        """The template of the subject, filled in: on one line."""
        if self.subject_template is None:
            return None
        return shortened(
            templates.fill_in(self.subject_template, context, "plain"), LONGEST_SUBJECT
        )

    def render_message_extra_info(self, context: Context) -> Any:
        """What the callback says."""
        return None if self.extra_info_cb is None else self.extra_info_cb(context)


class MessageFormatter(MessageFormatterBaseJinja):
    """Makes messages about a build from Jinja templates."""

    default_bodies = {
        "plain": templates.default_body_template_plain,
        "html": templates.default_body_template_html,
    }
    default_subject = templates.default_subject_template
    _of_buildsets = {
        "plain": templates.default_buildset_template_plain,
        "html": templates.default_buildset_template_html,
    }

    @property
    def is_usual(self) -> bool:
        """Whether nobody wrote another text, so that a buildset is told of as a whole."""
        return (
            type(self).render_message_body is MessageFormatter.render_message_body
            and self.body_template in self.default_bodies.values()
        )

    def render_message_body(self, context: Context) -> Any:
        """The template of the body; a buildset's usual text lists its builds."""
        if "builds" in context and self.body_template in self.default_bodies.values():
            text = self._of_buildsets[self.template_type]
            return templates.fill_in(text, context, self.template_type)
        return super().render_message_body(context)

    def render_message_subject(self, context: Context) -> Any:
        """The template of the subject; a buildset's usual one says what failed of it."""
        if "builds" in context and self.subject_template == self.default_subject:
            text = templates.default_buildset_subject_template
            return shortened(templates.fill_in(text, context, "plain"), LONGEST_SUBJECT)
        return super().render_message_subject(context)


class MessageFormatterMissingWorker(MessageFormatterBaseJinja):
    """Makes messages about a missing worker from Jinja templates, which can use ``worker``."""

    default_bodies = {
        "plain": templates.default_missing_template_plain,
        "html": templates.default_missing_template_html,
    }
    default_subject = templates.default_missing_worker_subject_template

    @deferring
    async def formatMessageForMissingWorker(
        self, master: Any, worker: Mapping[str, Any]
    ) -> Message:
        """The message for a missing worker."""
        return await settle(
            self.render_message_dict(master, create_context_for_worker(master, worker))
        )


def _checked_type(template_type: Any) -> str:
    if template_type in TEMPLATE_TYPES:
        return str(template_type)
    known = ", ".join(TEMPLATE_TYPES)
    configFault(f"there is no template_type {template_type!r}", f"known types: {known}")
    return "plain"


def _check_function(function: Any) -> None:
    if not callable(function):
        configFault(f"the function of a message formatter cannot be called: {function!r}")
