"""The texts of messages where nobody wrote others, and the engine that fills them in."""

from functools import cache
from typing import Any

from ci_master.data.faults import configFault

# Jinja is imported where a template is: it costs memory and time at the start.

default_subject_template = """\
{{ 'whole buildset' if is_buildset else buildername }}: \
{{ status_detected }} - {{ projects }}"""

default_body_template_plain = """\
A {{ status_detected }} has been detected on builder {{ buildername }} while building \
{{ projects }}.

Full details are available at:
    {{ build_url }}

Build state: {{ build['state_string'] }}
Worker: {{ workername }}
Build reason: {{ build['buildset']['reason'] }}
Blamelist: {{ ", ".join(blamelist) }}
{{ sourcestamps }}
{{ summary }}
"""

default_body_template_html = """\
<p>A {{ status_detected }} has been detected on builder
<a href="{{ build_url }}">{{ buildername }}</a> while building {{ projects }}.</p>
<table>
<tr><th>Build state</th><td>{{ build['state_string'] }}</td></tr>
<tr><th>Worker</th><td>{{ workername }}</td></tr>
<tr><th>Build reason</th><td>{{ build['buildset']['reason'] }}</td></tr>
<tr><th>Blamelist</th><td>{{ ", ".join(blamelist) }}</td></tr>
</table>
<pre>{{ sourcestamps }}</pre>
<p><b>{{ summary }}</b></p>
"""

default_buildset_template_plain = """\
A {{ status_detected }} has been detected while building {{ projects }}.

{% for build in builds -%}
{{ build['builder']['name'] }} #{{ build['number'] }}: {{ result_names[build['results']] }}
    {{ build['url'] }}
{% endfor %}
Blamelist: {{ ", ".join(blamelist) }}
{{ sourcestamps }}
"""

default_missing_worker_subject_template = """\
{{ buildbot_title }}: worker {{ worker.name }} is missing"""

default_missing_template_plain = """\
The worker named {{ worker.name }} of {{ buildbot_title }} went away.

It was last connected at {{ worker.last_connection }}.
Its administrator is {{ (worker.workerinfo or {}).admin or 'not known' }}.

{{ buildbot_url }}
"""

default_missing_template_html = """\
<p>The worker named {{ worker.name }} of
<a href="{{ buildbot_url }}">{{ buildbot_title }}</a> went away.</p>
<p>It was last connected at {{ worker.last_connection }}.<br>
Its administrator is {{ (worker.workerinfo or {}).admin or 'not known' }}.</p>
"""


@cache
def _environment(escapes: bool) -> Any:
    from jinja2 import Environment

    return Environment(autoescape=escapes, keep_trailing_newline=True)


@cache
def _compiled(text: str, escapes: bool) -> Any:
    return _environment(escapes).from_string(text)


def check_template(text: Any, what: str) -> None:
    """Report a template that cannot be understood.

    :param what: which one it is, in words.
    """
    if not isinstance(text, str):
        configFault(f"the {what} must be a string, not {text!r}")
        return
    from jinja2 import TemplateSyntaxError

    try:
        _environment(False).parse(text)
    except TemplateSyntaxError as error:
        configFault(f"line {error.lineno} of the {what}: {error.message}")


def fill_in(text: str, context: dict[str, Any], template_type: str) -> str:
    """The text of a template; what goes into HTML is escaped."""
    filled: str = _compiled(text, template_type == "html").render(context)
    return filled
