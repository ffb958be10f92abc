"""Changes of builds, from real repositories to REST, pages, steps and mail."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.process.farm import Farm, Repository, wait_until
from tests.process.test_mail import Mailbox, mail_server

pytestmark = pytest.mark.process


def repository(directory: Path, author: str) -> Repository:
    directory.mkdir()
    made = Repository(directory)
    made.git("config", "user.name", author)
    made.git("config", "user.email", f"{author.lower()}@example.org")
    made.commit("first", a="0")
    made.push()
    return made


def test_two_repositories_without_codebases_keep_their_changes_apart(
    farm: Farm, tmp_path: Path
) -> None:
    tea, coffee = repository(tmp_path / "tea", "Ann"), repository(tmp_path / "coffee", "Bob")
    seen = tmp_path / "seen"
    seen.mkdir()
    mailbox = Mailbox()
    with mail_server(mailbox) as smtp_port:
        master = farm.master()
        master.configure(
            f"""
class Note(steps.BuildStep):
    async def run(self):
        import json
        found = [sorted(c.who for c in self.build.allChanges()), sorted(self.build.allFiles()),
                 self.build.blamelist()]
        with open({str(seen)!r} + f'/{{self.build.number}}', 'w') as file:
            json.dump(found, file)
        return util.SUCCESS
builder('all', Note())
for url in ({tea.url!r}, {coffee.url!r}):
    c['change_source'].append(changes.GitPoller(url, branches=['main'], pollInterval=1,
                                                pollAtLaunch=True))
c['schedulers'].append(schedulers.AnyBranchScheduler(
    'all', builderNames=['all'], treeStableTimer=3,
    change_filter=util.ChangeFilter(branch='main')))
c['services'] = [reporters.MailNotifier(
    'ci@example.org', '127.0.0.1', smtpPort={smtp_port},
    generators=[reporters.BuildStatusGenerator(mode='all')])]
"""
        )
        master.start()
        farm.worker(master)
        master.wait_for_worker()
        cached = master.home / "gitpoller-work"
        wait_until(lambda: len(list(cached.glob("*/HEAD"))) == 2, "the first polls")
        wait_until(
            lambda: len(polled(master)) == 2 and all(polled(master)), "what the first polls found"
        )
        authors = {}
        for number, repo, who in ((1, tea, "Ann"), (2, coffee, "Bob"), (3, tea, "Ann")):
            for name in ("x", "y", "z"):
                repo.commit(f"{name} {number}", **{name + str(number): str(number)})
            repo.push()
            (build,) = wait_until(
                lambda n=number: master.rest.all(f"builders/all/builds?number={n}&complete=true"),
                f"build {number}",
            )
            changes = master.rest.all(f"builds/{build['buildid']}/changes")
            assert len(changes) == 3
            authors[number] = {change["author"] for change in changes}
            assert {change["repository"] for change in changes} == {repo.url}
            assert authors[number] == {f"{who} <{who.lower()}@example.org>"}
            whos, files, blamed = json.loads((seen / str(number)).read_text())
            assert (set(whos), set(blamed)) == (authors[number], authors[number])
            assert files == sorted(f"{name}{number}.txt" for name in ("x", "y", "z"))
            _, page = master.rest.open("GET", f"/builders/all/builds/{number}/changes")
            assert all(f"{name} {number}".encode() in page for name in ("x", "y", "z"))
        wait_until(lambda: len(mailbox.mails) == 3, "the mails")
        assert master.stop() == 0
    assert [to for to, _ in mailbox.mails] == [
        ["ann@example.org"],
        ["bob@example.org"],
        ["ann@example.org"],
    ]


def polled(master: Any) -> list[str]:
    """What the pollers know of their branches."""
    import sqlite3

    with sqlite3.connect(f"file:{master.home}/state.sqlite?mode=ro", uri=True) as database:
        query = "SELECT value_json FROM object_state WHERE key = 'lastRev'"
        return [text for (text,) in database.execute(query) if "main" in text]
