"""Requests that this master claimed, and that nothing of it works on."""

from typing import Any

from ci_master.data.model import Request


def orphans(data: Any, active: set[int]) -> list[Request]:
    """Open requests claimed by this master without a build that runs or is about to.

    What a master left behind when it died is put back when its data is opened; this finds what
    may get lost while it runs.

    :param active: ids of the requests whose builds are under way.
    """
    me = data.master_id
    candidates = [
        request
        for request in data.requests.open.values()
        if request.claimed_by == me and request.id not in active
    ]
    if not candidates:
        return []
    running = {build.request.id for build in data.builds.running.values()}
    return [request for request in candidates if request.id not in running]
