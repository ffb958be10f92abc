"""What message templates may say: the context of a build, a buildset or a missing worker."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ci_common.errorline import shortened
from ci_common.links import harmless
from ci_common.results import (
    CANCELLED,
    EXCEPTION,
    FAILURE,
    RETRY,
    SKIPPED,
    SUCCESS,
    WARNINGS,
    Results,
    statusToString,
)
from ci_master.reporters.utils import getURLForBuild

Context = dict[str, Any]

#: So many commits are named in a message.
_MOST_COMMITS = 20
#: Characters that stand for a commit.
_SHORT = 10


def get_detected_status_text(
    mode: Sequence[str] | None, results: int | None, previous_results: int | None
) -> str:
    """What has happened, in words, where the one who asked for ``mode`` would care."""
    modes = mode or ()
    changed = previous_results is not None and previous_results != results
    if results is None:
        return "not finished build"
    if results == FAILURE:
        is_new = changed and ("change" in modes or "problem" in modes)
        return "new failure" if is_new else "failed build"
    if results == WARNINGS:
        return "problem in the build"
    if results == SUCCESS:
        return "restored build" if changed and "change" in modes else "passing build"
    words = {EXCEPTION: "build exception", RETRY: "retry", CANCELLED: "cancelled build"}
    if results in words:
        return words[results]
    return f"{statusToString(results)} build"


def get_projects_text(source_stamps: Sequence[Mapping[str, Any]], master: Any) -> str:
    """The projects of the source stamps; the master's title if they name none."""
    projects = sorted({stamp["project"] for stamp in source_stamps if stamp["project"]})
    return ", ".join(projects) or str(master.config.title)


def get_message_source_stamp_text(source_stamps: Sequence[Mapping[str, Any]]) -> str:
    """What was built, a line for each code base."""
    lines = []
    for stamp in source_stamps:
        codebase = f" '{stamp['codebase']}'" if stamp["codebase"] else ""
        branch = f"[branch {stamp['branch']}] " if stamp["branch"] else ""
        patched = " (plus patch)" if stamp.get("patch") else ""
        revision = stamp["revision"] or "HEAD"
        lines.append(f"Build Source Stamp{codebase}: {branch}{revision}{patched}\n")
    return "".join(lines)


def branch_of(source_stamps: Sequence[Mapping[str, Any]]) -> str:
    """The branches of the source stamps, each once; empty if they name none."""
    branches = [str(stamp["branch"]) for stamp in source_stamps if stamp.get("branch")]
    return ", ".join(dict.fromkeys(branches))


def commits_of(changes: Iterable[Any]) -> list[dict[str, str]]:
    """What messages say of changes: revision (short), subject, author and url."""
    return [
        {
            "revision": (change.revision or "")[:_SHORT],
            "subject": shortened(change.subject),
            "author": shortened(change.author),
            "url": harmless(change.revlink or ""),
        }
        for change in list(changes)[:_MOST_COMMITS]
    ]


def headline_of(
    builds: Sequence[Mapping[str, Any]], branch: str, *, with_names: bool = True
) -> str:
    """How many builds of a buildset failed, and where, or else which ones there are."""
    failed = [one for one in builds if one["results"] not in (SUCCESS, WARNINGS, SKIPPED)]
    names = ", ".join(dict.fromkeys(one["builder"]["name"] for one in failed or builds))
    where = f" ({branch})" if branch else ""
    if len(builds) == 1:
        return f"{names}{where}: {statusToString(builds[0]['results'])}"
    if failed:
        text = f"{len(failed)} of {len(builds)} builds failed{where}"
        return f"{text}: {names}" if with_names else text
    return f"all {len(builds)} builds passed{where}: {names}"


def get_message_summary_text(build: Mapping[str, Any], results: int | None) -> str:
    """The outcome in a sentence."""
    state = build.get("state_string") or ""
    detail = f": {state}" if state else ""
    if results in (SUCCESS, SKIPPED):
        return "Build succeeded!"
    if results == WARNINGS:
        return f"Build Had Warnings{detail}"
    if results == CANCELLED:
        return "Build was cancelled"
    if results is None:
        return f"Build is not finished{detail}"
    return f"BUILD FAILED{detail}"


def create_context_for_build(
    mode: Sequence[str] | None,
    build: Mapping[str, Any],
    is_buildset: bool,
    master: Any,
    blamelist: Sequence[str] | None,
    outcome: Any = None,
) -> Context:
    """The context of one build, which has its details.

    :param outcome: its :class:`ci_master.storage.views_outcome.Outcome`, if that is known.
    """
    buildset = build["buildset"]
    stamps = buildset["sourcestamps"]
    results = build["results"]
    previous = build.get("prev_build")
    previous_results = previous["results"] if previous else None
    properties = build.get("properties") or {}
    number = build.get("number")
    failure = failure_of(build, outcome)
    url = build.get("url") or getURLForBuild(master, build["builderid"], number or 0)
    return {
        "results": results,
        "result_names": Results,
        "mode": mode,
        "buildername": build["builder"]["name"],
        "workername": properties.get("workername", ["<unknown>"])[0],
        "buildset": buildset,
        "build": build,
        "is_buildset": is_buildset,
        "projects": get_projects_text(stamps, master),
        "previous_results": previous_results,
        "status_detected": get_detected_status_text(mode, results, previous_results),
        "build_url": url,
        "buildbot_title": master.config.title,
        "buildbot_url": master.config.buildbotURL,
        "blamelist": list(blamelist or ()),
        "summary": get_message_summary_text(
            {**build, "state_string": failure or build.get("state_string")}, results
        ),
        "sourcestamps": get_message_source_stamp_text(stamps),
        "branch": branch_of(stamps),
        "failure": failure,
        "failed_step": outcome.step if outcome else "",
        "commits": commits_of(outcome.changes) if outcome else [],
        "before": previous,
        "is_trial": any(stamp.get("patch") for stamp in stamps),
    }


def failure_of(build: Mapping[str, Any], outcome: Any) -> str:
    """Why a build did not do well, in one line; empty if it did, or has not ended.

    Of warnings it is told where it was kept what gave them.
    """
    if build["results"] in (None, SUCCESS, SKIPPED):
        return ""
    known = outcome.failure if outcome else ""
    if build["results"] == WARNINGS:
        return str(known)
    return known or str(build.get("state_string") or "")


def create_context_for_buildset(
    mode: Sequence[str] | None,
    buildset: Mapping[str, Any],
    builds: Sequence[Mapping[str, Any]],
    master: Any,
    blamelist: Sequence[str] | None,
    outcomes: Sequence[Any] = (),
) -> Context:
    """The context of a whole buildset; the builds have their details.

    :param outcomes: those of the builds, as far as they are known, in the same order.
    """
    told = zip(builds, [*outcomes, *[None] * (len(builds) - len(outcomes))], strict=True)
    builds = [{**build, "failure": failure_of(build, outcome)} for build, outcome in told]
    changes = {one.id: one for outcome in outcomes for one in outcome.changes}
    failed = [one for one in builds if one["failure"] and one["results"] != WARNINGS]
    failed = failed or [one for one in builds if one["failure"]]
    stamps = buildset["sourcestamps"]
    results = buildset["results"]
    return {
        "results": results,
        "result_names": Results,
        "mode": mode,
        "buildset": buildset,
        "builds": builds,
        "is_buildset": True,
        "projects": get_projects_text(stamps, master),
        "status_detected": get_detected_status_text(mode, results, None),
        "buildbot_title": master.config.title,
        "buildbot_url": master.config.buildbotURL,
        "blamelist": list(blamelist or ()),
        "sourcestamps": get_message_source_stamp_text(stamps),
        "branch": branch_of(stamps),
        "headline": headline_of(builds, branch_of(stamps)),
        "counted": headline_of(builds, branch_of(stamps), with_names=len(builds) == 1),
        "failures": "; ".join(
            one["failure"] if len(failed) == 1 else f"{one['builder']['name']}: {one['failure']}"
            for one in failed
        ),
        "commits": commits_of(changes[id] for id in sorted(changes)),
    }


def create_context_for_worker(master: Any, worker: Mapping[str, Any]) -> Context:
    """The context of a worker that is missing."""
    return {
        "buildbot_title": master.config.title,
        "buildbot_url": master.config.buildbotURL,
        "worker": worker,
    }
