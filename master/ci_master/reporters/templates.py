"""The texts of messages where nobody wrote others, and the engine that fills them in."""

from functools import cache
from typing import Any

from ci_master.data.faults import configFault

# Jinja is imported where a template is: it costs memory and time at the start.

default_subject_template = """\
{{ buildername }}{% if branch %} ({{ branch }}){% endif %}: {{ status_detected }}\
{% if failure %} - {{ failure }}\
{% elif commits|length == 1 %} - {{ commits[0].subject }}{% endif %}"""

_COMMITS_PLAIN = """\
{% for commit in commits -%}
{{ 'Commits:' if loop.first and loop.length > 1 else 'Commit:' if loop.first }}\
{{- '\\n' if loop.first }}  {{ commit.revision or 'a change' }}: {{ commit.subject }}
    by {{ commit.author }}{% if commit.url %}
    {{ commit.url }}{% endif %}
{% else -%}
{{ sourcestamps -}}
{% endfor %}
"""

_COMMITS_HTML = """\
{% if commits %}<ul>
{% for commit in commits %}\
<li>{% if commit.url %}<a href="{{ commit.url }}">{% endif %}<code>\
{{ commit.revision or 'a change' }}</code>{% if commit.url %}</a>{% endif %} \
{{ commit.subject }}<br>by {{ commit.author }}</li>
{% endfor %}</ul>
{% else %}<pre>{{ sourcestamps }}</pre>
{% endif %}\
"""

default_body_template_plain = (
    """\
{{ buildername }} #{{ build['number'] }}{% if branch %} on {{ branch }}{% endif %}: \
{{ status_detected }}
{% if failure %}
{{ failure }}
{% endif %}
{{ build_url }}

"""
    + _COMMITS_PLAIN
    + """\
{% if before %}Before: #{{ before.number }}, {{ result_names[before.results] }}
{% endif -%}
{% if is_trial %}This was a trial of a patch: it says nothing of the branch.
{% endif -%}
Project: {{ projects }}
Worker: {{ workername }}
Reason: {{ build['buildset']['reason'] }}
Blamelist: {{ ", ".join(blamelist) }}
"""
)

default_body_template_html = (
    """\
<p><b>{{ buildername }} <a href="{{ build_url }}">#{{ build['number'] }}</a>\
{% if branch %} on {{ branch }}{% endif %}: {{ status_detected }}</b>\
{% if failure %}<br>
{{ failure }}{% endif %}</p>
"""
    + _COMMITS_HTML
    + """\
<table>
{% if before %}<tr><th>Before</th>\
<td>#{{ before.number }}, {{ result_names[before.results] }}</td></tr>
{% endif %}\
{% if is_trial %}<tr><th>Trial</th><td>of a patch: it says nothing of the branch</td></tr>
{% endif %}\
<tr><th>Project</th><td>{{ projects }}</td></tr>
<tr><th>Worker</th><td>{{ workername }}</td></tr>
<tr><th>Reason</th><td>{{ build['buildset']['reason'] }}</td></tr>
<tr><th>Blamelist</th><td>{{ ", ".join(blamelist) }}</td></tr>
</table>
"""
)

default_buildset_subject_template = """\
{{ counted if failures else headline }}{% if failures %} - {{ failures }}{% endif %}"""

default_buildset_template_plain = (
    """\
{{ headline }}

{% for build in builds -%}
{{ build['builder']['name'] }} #{{ build['number'] }}: {{ result_names[build['results']] }}\
{% if build['failure'] %} - {{ build['failure'] }}{% endif %}
    {{ build['url'] }}
{% endfor %}
"""
    + _COMMITS_PLAIN
    + """\
Project: {{ projects }}
Reason: {{ buildset['reason'] }}
Blamelist: {{ ", ".join(blamelist) }}
"""
)

default_buildset_template_html = (
    """\
<p><b>{{ headline }}</b></p>
<ul>
{% for build in builds %}\
<li>{{ build['builder']['name'] }} <a href="{{ build['url'] }}">#{{ build['number'] }}</a>: \
{{ result_names[build['results']] }}\
{% if build['failure'] %}<br>{{ build['failure'] }}{% endif %}</li>
{% endfor %}</ul>
"""
    + _COMMITS_HTML
    + """\
<p>Project: {{ projects }}<br>Reason: {{ buildset['reason'] }}<br>
Blamelist: {{ ", ".join(blamelist) }}</p>
"""
)

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
