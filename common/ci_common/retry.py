"""How long to wait before the next try."""

from collections.abc import Callable


def retry_wait_s(attempt: int, chance: Callable[[], float], longest_s: float = 60.0) -> float:
    """How long a worker waits before it dials the master again.

    :param attempt: failures in a row so far, from 1.
    :param chance: returns a float in [0, 1): ``random.random``, or a constant in a test.
    :param longest_s: upper bound of every wait, in seconds.
    :returns: seconds, evenly spread below ``min(longest_s, 2**(attempt - 1))``, so that
        workers cut off together do not come back together.
    :raises ValueError: if ``attempt`` is below 1.

    Source: "full jitter" in "Exponential Backoff And Jitter", AWS Architecture Blog,
    2015, https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    if attempt < 1:
        raise ValueError(f"attempt is {attempt}, but the first one is 1")
    return chance() * min(longest_s, 2.0 ** min(attempt - 1, 60))
