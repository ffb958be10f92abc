"""Signals to end are noted before anybody can act on them, and ending is certain."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from ci_common.ending import EndedEarly, Ending


def run(body: str, *, interrupts_ignored: bool = False) -> subprocess.CompletedProcess[str]:
    """Run a program with an ``ending``; signal number ``me(n)`` goes to itself."""
    head = """
        import os, signal, sys, threading, time
        from ci_common import ending as module
        from ci_common.ending import EndedEarly, Ending, act_on, note_early
        def me(number): os.kill(os.getpid(), number)
        ending = Ending(lambda why: print("by force:", why, flush=True))
        ending.install()
    """
    program = textwrap.dedent(head) + textwrap.dedent(body)

    def ignore() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell does for what runs beside it

    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=ignore if interrupts_ignored else None,
    )


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("ignored", [False, True])
def test_a_signal_while_it_loads_ends_the_loading(name: str, ignored: bool) -> None:
    done = run(
        f"""
        try:
            with ending.raising():
                me(signal.{name})
                print("went on")
        except EndedEarly:
            print("ended early")
        """,
        interrupts_ignored=ignored,
    )
    assert done.stdout == "ended early\n", done


def test_a_signal_whose_exception_was_swallowed_still_ends_the_loading() -> None:
    done = run(
        """
        try:
            with ending.raising():
                try:
                    me(signal.SIGTERM)
                except BaseException:
                    pass
                print("went on")
        except EndedEarly:
            print("ended early")
        """
    )
    assert done.stdout == "went on\nended early\n"


def test_a_signal_before_there_is_anybody_to_act_is_acted_on_later_and_once() -> None:
    done = run(
        """
        me(signal.SIGTERM)
        ending.act_by(lambda: print("acted"))
        me(signal.SIGINT)
        me(signal.SIGTERM)
        print(ending.wanted)
        """
    )
    assert done.stdout == "acted\nTrue\n"


def test_ctrl_break_ends_it_where_there_is_such_a_signal() -> None:
    done = run(
        """
        ending.restore()
        signal.SIGBREAK = signal.SIGUSR1
        ending = Ending(print)
        ending.install()
        me(signal.SIGBREAK)
        ending.act_by(lambda: print("acted"))
        me(signal.SIGBREAK)
        """
    )
    assert done.stdout == "acted\n", done


@pytest.mark.parametrize(
    ("limit", "body", "why"),
    [
        ("NOTICE_S", "me(signal.SIGTERM)", "it took no notice of a signal for 0.1 s"),
        ("END_S", "ending.begun()", "it did not end within 0.1 s"),
        ("END_S", "me(signal.SIGTERM); ending.begun()", "it did not end within 0.1 s"),
    ],
)
def test_what_does_not_end_is_ended_by_force(limit: str, body: str, why: str) -> None:
    done = run(f"module.{limit} = 0.1\n{body}\nthreading.Event().wait(60)")
    assert done.stdout == f"by force: {why}\n"
    assert done.returncode == 1


def test_signals_for_later_are_noted_and_acted_on_once() -> None:
    done = run(
        """
        note_early(signal.SIGHUP)
        me(signal.SIGHUP)
        print("lives")
        act_on(signal.SIGHUP, lambda: print("acted"))
        me(signal.SIGHUP)
        """
    )
    assert done.stdout == "lives\nacted\nacted\n"


def test_signals_are_left_as_they_were_found() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    ending = Ending(lambda why: None)
    ending.install()
    ending.restore()
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before
    with pytest.raises(EndedEarly), Ending(lambda why: None).raising() as _:
        raise EndedEarly


def test_a_process_ends_by_a_signal_in_the_midst_of_its_tac(tmp_path: Path) -> None:
    (tmp_path / "buildbot.tac").write_text(
        "import os, signal, time\nos.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(60)\n"
    )
    argv = [sys.executable, "-m", "ci_common.daemon", str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, env=dict(os.environ))
    assert done.returncode == 0, done
    assert "told to end while it started" in done.stdout
    assert not (tmp_path / "twistd.pid").exists()
