"""Points in time as cron writes them, in the local time zone."""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from croniter import croniter

from ci_common.numbers import whole_number

__all__ = ["CronTimes", "cron_field", "cron_weekdays"]

_DAYS = 7


def cron_field(value: Any) -> str:
    """A field of a crontab from an int, a list of ints or the text itself."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, Sequence):
        return ",".join(str(item) for item in value)
    return str(value)


def cron_weekdays(value: Any) -> str:
    """The days of the week, which count from Monday = 0, as cron counts them: Sunday = 0.

    Ranges in text ("1-5") and names ("mon") are cron's own already.
    """
    parts = cron_field(value).split(",")
    return ",".join(
        part.strip() if day is None else str((day + 1) % _DAYS)
        for part in parts
        for day in [whole_number(part.strip(), most=99)]
    )


class CronTimes:
    """The points in time of one line of a crontab.

    :raises ValueError: if a field cannot be understood.
    """

    def __init__(
        self, *, minute: Any, hour: Any, day_of_month: Any, month: Any, day_of_week: Any
    ) -> None:
        fields = [cron_field(field) for field in (minute, hour, day_of_month, month)]
        fields.append(cron_weekdays(day_of_week))
        self.text = " ".join(fields)
        if any(not field or " " in field for field in fields) or not croniter.is_valid(self.text):
            raise ValueError(f"'{self.text}' is no crontab entry")
        self._every_hour = fields[1].startswith("*")

    def after(self, at: float) -> float:
        """The first point in time after ``at``; both in unix seconds.

        Entries for certain hours follow the clock on the wall: when it is set forward or back
        they happen once. Entries for every hour go on with the same intervals.
        """
        if self._every_hour:
            zone = timezone(timedelta(seconds=time.localtime(at).tm_gmtoff))
            steps = croniter(self.text, datetime.fromtimestamp(at, zone))
            return float(steps.get_next(float))
        steps = croniter(self.text, datetime.fromtimestamp(at))
        while True:
            wall: datetime = steps.get_next(datetime)
            moment = time.mktime(wall.timetuple())
            if moment > at:
                return moment
