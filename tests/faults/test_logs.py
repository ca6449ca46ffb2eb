"""Floods of output: what is kept is bounded and marked, every byte that is kept is right, and memory stays flat."""

from __future__ import annotations

import time

import pytest
from django.test import override_settings

from jobs import logs
from jobs.models import Attempt, LogChunk
from jobs.states import JobState
from tests.faults.site import Process, Site, eventually
from tests.jobs.outputs import whole_log

pytestmark = [pytest.mark.faults, pytest.mark.docker]
MIB = 2**20
LINE = b"0123456789" * 9 + b"abcdefghi\n"
FLOOD = f"""exec python3 -c '
import sys
block = b"0123456789" * 9 + b"abcdefghi" + bytes([10])
sys.stdout.buffer.write(b"HEAD" + bytes([10]))
for _ in range({100 * MIB // 100_000}): sys.stdout.buffer.write(block * 1000)
sys.stdout.buffer.write(b"TAIL" + bytes([10]))'"""
ONE_LINE = f"""exec python3 -c '
import sys
for _ in range(50): sys.stdout.buffer.write(b"x" * {MIB})'"""
ODD = r"""printf 'a\377\376b\000c\r\033[1mbold\033[0m\n\360\237\232\242 \303\n'; printf 'no newline at the end'"""
# The engine's own log files hold text: a byte that is not UTF-8 is a replacement character in them.
ODD_BYTES = b"a\xef\xbf\xbd\xef\xbf\xbdb\x00c\r\x1b[1mbold\x1b[0m\n\xf0\x9f\x9a\xa2 \xef\xbf\xbd\nno newline at the end"


@pytest.fixture(scope="module")
def scribe(installation: Site) -> Process:
    """A worker of this module's own, whose memory is watched: host `scribe`."""
    installation.machine("log1")
    return installation.worker("scribe", "--serve", "log1=2")


def test_a_flood_is_cut_in_the_middle_with_a_mark_and_costs_no_memory(site: Site, scribe: Process) -> None:
    assert site.ended(site.submit("true", "log1")).state == JobState.SUCCEEDED
    before = scribe.rss_mib()
    flood = site.submit(FLOOD, "log1")
    site.running(flood)
    odd = site.ended(site.submit(ODD, "log1"), 30)  # another job's log goes on beside it
    assert site.log_of(odd) == ODD_BYTES
    peak = before
    while not Attempt.objects.filter(task__job=flood, ended_at__isnull=False).exists():
        peak = max(peak, scribe.rss_mib())
        time.sleep(0.2)
    flood = site.ended(flood, 90)
    assert flood.state == JobState.SUCCEEDED
    attempt = site.attempts(flood)[0]
    kept = site.log_of(flood)
    opening = len(whole_log(attempt)) - len(kept)
    assert attempt.log_bytes == opening + 5 + 1048 * 100_000 + 5
    mark = logs.cut_mark(attempt.log_cut_bytes)
    head, _, tail = kept.partition(mark)
    assert mark in kept
    assert head.startswith(b"HEAD\n" + LINE)
    assert tail.endswith(LINE + b"TAIL\n")
    assert opening + len(head) + len(tail) + attempt.log_cut_bytes == attempt.log_bytes
    assert 5 * MIB <= len(kept) <= 7 * MIB
    assert not LogChunk.objects.filter(attempt=attempt).exists()
    assert peak - before < 48, f"{before:.0f} MiB before, {peak:.0f} at most"


def test_a_line_of_fifty_megabytes_is_one_line_with_a_mark(site: Site, scribe: Process) -> None:
    before = scribe.rss_mib()
    job = site.ended(site.submit(ONE_LINE, "log1"), 90)
    attempt = site.attempts(job)[0]
    kept = site.log_of(job)
    opening = len(whole_log(attempt)) - len(kept)
    assert (job.state, attempt.log_bytes) == (JobState.SUCCEEDED, opening + 50 * MIB)
    mark = logs.cut_mark(attempt.log_cut_bytes)
    assert kept.replace(mark, b"").strip(b"x") == b""
    assert len(kept) - len(mark) + attempt.log_cut_bytes == 50 * MIB
    assert scribe.rss_mib() - before < 48


def test_a_log_that_nobody_followed_has_no_gap(site: Site) -> None:
    """The worker is away while 20 MB are written; the next one reads them all, from the very byte on."""
    site.machine("log2")
    with override_settings(LOG_LIMIT_MIB=200):
        first = site.worker("away", "--serve", "log2=1", LOG_LIMIT_MIB="200")
        lines = 200_000
        job = site.submit(f"seq 1 50; sleep 1.5; seq -f '%099.0f' 1 {lines}; exit 4", "log2")
        attempt = site.running(job)
        eventually(lambda: LogChunk.objects.filter(attempt=attempt).exists(), 10, "The first lines")
        first.kill()
        eventually(lambda: not site.inspect(attempt.name)["State"]["Running"], 60, "The end of the program")
        second = site.worker("away", "--serve", "log2=1", LOG_LIMIT_MIB="200")
        job = site.ended(job, 60)
        assert (job.exit_code, len(site.attempts(job))) == (4, 1)
        expected = b"".join(b"%d\n" % n for n in range(1, 51)) + b"".join(b"%099d\n" % n for n in range(1, lines + 1))
        assert site.log_of(job) == expected
        second.dismiss()
