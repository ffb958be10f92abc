"""How long something takes, as people read it: pages and reasons for waiting say it alike."""


def duration(seconds: float | None) -> str:
    """``9 s``, ``4 min 10 s``, ``2 h 05 min``, ``3 d 4 h``; a dash for None."""
    if seconds is None:
        return "\u2013"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours and days < 14 else f"{days} d"
