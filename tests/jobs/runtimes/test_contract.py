"""What every runtime must do. A runtime is done when this file passes over it."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from jobs.runtimes.base import Exited, Handle, LogLine, Missing, Pending, Running, RuntimeFault
from jobs.runtimes.docker import DockerRuntime
from jobs.runtimes.fake import FakeProgram, FakeRuntime
from tests.jobs.runtimes.bench import IMAGE, LABEL, UNSOUND, Bench, text

# -- starting ---------------------------------------------------------------------------------------------------------


def test_starting_twice_starts_once(bench: Bench) -> None:
    spec = bench.spec("sleep", "30", does=FakeProgram(duration_s=30))
    first, second = bench.runtime.start(spec), bench.runtime.start(spec)
    assert (first.adopted, second.adopted) == (False, True)
    assert first.id == second.id
    assert [handle.id for handle in bench.runtime.owned(LABEL, bench.mark)] == [first.id]


def test_a_container_that_was_only_created_is_adopted_and_started(bench: Bench) -> None:
    spec = bench.spec("echo", "hello", does=FakeProgram(lines=(b"hello\n",)))
    created = bench.runtime.create(spec)
    assert bench.runtime.observe(created) == Pending()
    handle = bench.runtime.start(spec)
    assert (handle.id, handle.adopted) == (created.id, True)
    assert bench.runtime.wait(handle) == Exited(0)
    assert text(list(bench.runtime.follow(handle))) == b"hello\n"


def test_a_container_that_has_ended_is_adopted_and_not_run_again(bench: Bench) -> None:
    spec = bench.spec("sh", "-c", "echo once; exit 3", does=FakeProgram(lines=(b"once\n",), exit_code=3))
    assert bench.run(spec)[0] == Exited(3)
    handle = bench.runtime.start(spec)
    assert handle.adopted
    assert bench.runtime.wait(handle) == Exited(3)
    assert text(list(bench.runtime.follow(handle))) == b"once\n"


def test_a_name_that_another_container_has_is_refused(bench: Bench) -> None:
    spec = bench.spec("sleep", "30", does=FakeProgram(duration_s=30))
    bench.runtime.start(spec)
    with pytest.raises(RuntimeFault, match="Another container") as caught:
        bench.runtime.start(replace(spec, labels={LABEL: "somebody-else"}))
    assert (caught.value.code, caught.value.retry) == ("start_refused", False)


def test_waiting_for_a_container_that_was_never_started_says_so(bench: Bench) -> None:
    created = bench.runtime.create(bench.spec("true"))
    with pytest.raises(RuntimeFault, match="never started"):
        bench.runtime.wait(created)


@pytest.mark.parametrize(("over", "words"), UNSOUND)
def test_an_unsound_spec_never_starts(bench: Bench, over: dict[str, Any], words: str) -> None:
    with pytest.raises(RuntimeFault, match=words) as caught:
        bench.runtime.start(replace(bench.spec("true"), **over))
    assert (caught.value.code, caught.value.retry) == ("start_refused", False)
    assert bench.runtime.owned(LABEL, bench.mark) == []


def test_words_and_environment_arrive_byte_for_byte(bench: Bench) -> None:
    words = (
        "",
        " ",
        "-rf",
        "--",
        "$(id)",
        "`id`",
        "a'b\"c\\",
        "new\nline",
        "\ttab",
        "é漢🚢",
        "*",
        "%s",
        "a=b;c&d|e",
        "\x7f\x01",
    )
    spec = bench.python(
        "import json, os, sys; print(json.dumps([sys.argv[1:], os.environ['GIVEN']]))",
        *words,
        env={"GIVEN": "".join(words)},
        does=lambda spec: FakeProgram(lines=(json.dumps([spec.argv[4:], spec.env["GIVEN"]]).encode() + b"\n",)),
    )
    end, lines = bench.run(spec)
    assert end == Exited(0)
    assert json.loads(text(lines)) == [list(words), "".join(words)]


# -- ending -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_the_exit_code_is_the_programs(bench: Bench, code: int) -> None:
    assert bench.run(bench.spec("sh", "-c", f"exit {code}", does=FakeProgram(exit_code=code)))[0] == Exited(code)


@pytest.mark.parametrize(("signal", "code"), [("KILL", 137), ("TERM", 143), ("SEGV", 139)])
def test_a_signal_reads_as_128_and_its_number(bench: Bench, signal: str, code: int) -> None:
    spec = bench.spec("sh", "-c", f"kill -{signal} $$", does=FakeProgram(exit_code=code))
    assert bench.run(spec)[0] == Exited(code)


def test_out_of_memory_is_told_from_a_kill(bench: Bench) -> None:
    spec = bench.python("x = bytearray(10**9)", does=FakeProgram(exit_code=137, oom=True))
    assert bench.run(spec)[0] == Exited(137, oom=True)


def test_out_of_memory_in_a_child_under_a_healthy_parent_shows_both(bench: Bench) -> None:
    spec = bench.spec("sh", "-c", "python3 -c 'bytearray(10**9)'; exit 0", does=FakeProgram(exit_code=0, oom=True))
    assert bench.run(spec)[0] == Exited(0, oom=True)


def test_a_program_that_is_not_in_the_image_is_named(bench: Bench) -> None:
    end, _ = bench.run(bench.spec("no-such-program", does=FakeProgram(exit_code=127, reason="no-such-program failed")))
    assert isinstance(end, Exited)
    assert end.code == 127
    assert "no-such-program" in end.reason


def test_an_exit_127_of_the_program_itself_has_no_reason_of_ours(bench: Bench) -> None:
    spec = bench.spec("sh", "-c", "echo '[FATAL] mine' >&2; exit 127", does=FakeProgram(exit_code=127))
    assert bench.run(spec)[0] == Exited(127)


def test_several_can_wait_for_one_container(bench: Bench) -> None:
    handle = bench.runtime.start(
        bench.spec("sh", "-c", "sleep 0.5; exit 7", does=FakeProgram(exit_code=7, duration_s=0.5))
    )
    ends: list[Exited | Missing] = []
    threads = [threading.Thread(target=lambda: ends.append(bench.runtime.wait(handle))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert ends == [Exited(7)] * 3


def test_states_follow_one_another(bench: Bench) -> None:
    spec = bench.spec("sleep", "30", does=FakeProgram(duration_s=30))
    handle = bench.runtime.create(spec)
    assert bench.runtime.observe(handle) == Pending()
    bench.runtime.start(spec)
    running = bench.runtime.observe(handle)
    assert isinstance(running, Running)
    assert running.pid > 1
    bench.runtime.stop(handle, 5)
    assert isinstance(bench.runtime.observe(handle), Exited)
    bench.runtime.remove(handle)
    assert bench.runtime.observe(handle) == Missing()


def test_what_is_missing_is_an_answer(bench: Bench) -> None:
    gone = Handle(name=f"contract-{uuid.uuid4().hex}")
    assert bench.runtime.wait(gone) == Missing()
    assert bench.runtime.observe(gone) == Missing()
    assert list(bench.runtime.follow(gone)) == []
    assert list(bench.runtime.usage(gone)) == []
    bench.runtime.stop(gone, 0)
    bench.runtime.remove(gone)


def test_a_handle_from_the_name_alone_will_do(bench: Bench) -> None:
    spec = bench.spec("sh", "-c", "echo out; exit 4", does=FakeProgram(lines=(b"out\n",), exit_code=4))
    bench.runtime.start(spec)
    handle = Handle(name=spec.name)
    assert bench.runtime.wait(handle) == Exited(4)
    assert text(list(bench.runtime.follow(handle))) == b"out\n"
    bench.runtime.remove(handle)
    assert bench.runtime.observe(handle) == Missing()


def test_term_ends_a_program_at_once(bench: Bench) -> None:
    handle = bench.runtime.start(bench.spec("sleep", "60", does=FakeProgram(duration_s=60)))
    before = time.monotonic()
    bench.runtime.stop(handle, 20)
    assert time.monotonic() - before < 10
    assert bench.runtime.wait(handle) == Exited(143)


def test_a_program_that_ignores_term_is_killed_after_the_grace(bench: Bench) -> None:
    handle = bench.runtime.start(
        bench.spec(
            "sh",
            "-c",
            "trap '' TERM; echo ready; while :; do sleep 0.1; done",
            does=FakeProgram(lines=(b"ready\n",) * 600, duration_s=60, ignores_term=True),
        )
    )
    assert next(bench.runtime.follow(handle)).data == b"ready\n"
    before = time.monotonic()
    bench.runtime.stop(handle, 1)
    assert 0.9 <= time.monotonic() - before < 10
    assert bench.runtime.wait(handle) == Exited(137)


def test_stopping_and_removing_again_are_no_errors(bench: Bench) -> None:
    handle = bench.runtime.start(bench.spec("true"))
    bench.runtime.wait(handle)
    for _ in range(2):
        bench.runtime.stop(handle, 1)
    for _ in range(2):
        bench.runtime.remove(handle)
    bench.runtime.stop(handle, 1)


def test_removing_what_runs_ends_it_and_who_waits_hears(bench: Bench) -> None:
    handle = bench.runtime.start(bench.spec("sleep", "60", does=FakeProgram(duration_s=60)))
    ends: list[Exited | Missing] = []
    thread = threading.Thread(target=lambda: ends.append(bench.runtime.wait(handle)))
    thread.start()
    time.sleep(0.2)
    bench.runtime.remove(handle)
    thread.join(20)
    assert ends in ([Missing()], [Exited(137)])
    assert bench.runtime.observe(handle) == Missing()


def test_owned_finds_every_state_of_ours_and_nothing_else(bench: Bench) -> None:
    running = bench.runtime.start(bench.spec("sleep", "60", does=FakeProgram(duration_s=60)))
    ended = bench.runtime.start(bench.spec("true"))
    bench.runtime.wait(ended)
    created = bench.runtime.create(bench.spec("true"))
    other = bench.runtime.create(bench.spec("true", labels={LABEL: bench.mark + "x"}))
    found = {handle.name for handle in bench.runtime.owned(LABEL, bench.mark)}
    bench.runtime.remove(other)
    assert found == {running.name, ended.name, created.name}
    assert bench.runtime.owned("slipway.nobody", bench.mark) == []


# -- output -----------------------------------------------------------------------------------------------------------


def test_output_comes_in_order_with_its_stream(bench: Bench) -> None:
    code = "import os\nfor i in range(500): os.write(1, b'out %d\\n' % i)\nos.write(2, b'err\\n'); os.write(1, b'no newline')"
    out = b"".join(b"out %d\n" % index for index in range(500)) + b"no newline"
    does = FakeProgram(lines=(*out.splitlines(keepends=True)[:-1], ("stderr", b"err\n"), b"no newline"))
    end, lines = bench.run(bench.python(code, does=does))
    assert end == Exited(0)
    assert text(lines) == out
    assert text(lines, "stderr") == b"err\n"
    assert all(len(line.stamp) == len("2026-01-31T12:00:00.000000000Z") for line in lines)


def test_output_is_there_while_the_program_runs(bench: Bench) -> None:
    code = "import time; print('early'); time.sleep(30)"
    handle = bench.runtime.start(bench.python(code, does=FakeProgram(lines=(b"early\n",) * 60, duration_s=6)))
    following = bench.runtime.follow(handle)
    assert next(following).data == b"early\n"
    assert isinstance(bench.runtime.observe(handle), Running)
    bench.runtime.stop(handle, 0)
    assert bench.runtime.wait(handle) in (Exited(137), Exited(143))  # without a grace TERM and KILL come at once
    assert all(line.data == b"early\n" for line in following)  # and it ends


def test_following_goes_on_from_any_stamp_without_gap_or_loss(bench: Bench) -> None:
    code = "import time\nfor i in range(40): print('line', i); time.sleep(0.01)"
    does = FakeProgram(lines=tuple(b"line %d\n" % index for index in range(40)), duration_s=0.4)
    end, whole = bench.run(bench.python(code, does=does))
    assert (end, len(whole)) == (Exited(0), 40)
    handle = bench.runtime.owned(LABEL, bench.mark)[0]
    for position in range(0, 40, 7):
        assert list(bench.runtime.follow(handle, whole[position].stamp)) == whole[position:]
    assert list(bench.runtime.follow(handle, "2999-01-01T00:00:00.000000000Z")) == []


def test_a_worker_that_dies_between_lines_picks_up_the_rest_live(bench: Bench) -> None:
    code = "import time\nfor i in range(30): print('line', i); time.sleep(0.05)"
    does = FakeProgram(lines=tuple(b"line %d\n" % index for index in range(30)), duration_s=1.5)
    handle = bench.runtime.start(bench.python(code, does=does))
    kept: list[LogLine] = []
    while True:
        since = kept[-1].stamp if kept else ""
        has = sum(1 for line in kept if line.stamp == since)
        following = bench.runtime.follow(handle, since)
        fresh = [line for _, line in zip(range(has + 8), following, strict=False)][has:]
        if not fresh:
            break
        kept += fresh
    assert text(kept) == b"".join(b"line %d\n" % index for index in range(30))


def test_a_long_line_comes_in_pieces(bench: Bench) -> None:
    line = b"0123456789abcdef" * 65_536 + b"\n"
    code = "import sys; sys.stdout.write('0123456789abcdef' * 65_536 + '\\nnext\\n')"
    _, lines = bench.run(bench.python(code, does=FakeProgram(lines=(line, b"next\n"))))
    assert text(lines) == line + b"next\n"
    assert max(len(piece.data) for piece in lines) <= 16_384
    assert lines[-1].data == b"next\n"


def test_bytes_that_are_no_text_harm_nothing(bench: Bench) -> None:
    # json-file keeps text: the engine itself puts U+FFFD in the place of such a byte.
    raw = b"bad \xff\xfe end\r50%\r100%\r\n\x00\x1b[31mred\n"
    _, lines = bench.run(
        bench.python(
            f"import os; os.write(1, {raw!r}); os.write(1, b'after\\n')", does=FakeProgram(lines=(raw, b"after\n"))
        )
    )
    shown = text(lines)
    assert shown.decode("utf-8", "replace") == raw.decode("utf-8", "replace") + "after\n"


# -- figures, images, the engine --------------------------------------------------------------------------------------


def test_usage_comes_while_it_runs_and_then_ends(bench: Bench) -> None:
    code = "import time\nheld = bytearray(30_000_000); end = time.monotonic() + 3.5\nwhile time.monotonic() < end: pass"
    does = FakeProgram(duration_s=0.8, memory_bytes=31_000_000)
    samples = list(bench.runtime.usage(bench.runtime.start(bench.python(code, does=does))))
    assert len(samples) >= 2
    assert samples[-1].cpu_s > samples[0].cpu_s
    assert 30_000_000 <= samples[-1].memory_bytes <= samples[-1].memory_peak_bytes <= 64 * 2**20
    assert all(sample.pids >= 1 for sample in samples)


def test_an_image_is_pinned_and_starts_by_its_pin(bench: Bench) -> None:
    info = bench.runtime.image(IMAGE, pull=False)
    assert info.reference == IMAGE
    assert info.pinned.startswith("sha256:")
    assert info.size_bytes > 0
    assert info.architecture in ("amd64", "arm64")
    assert bench.runtime.image(info.pinned, pull=False).pinned == info.pinned
    assert bench.run(bench.spec("true", image=info.pinned))[0] == Exited(0)


def test_a_missing_image_is_named(bench: Bench) -> None:
    with pytest.raises(RuntimeFault, match="absent:1") as caught:
        bench.runtime.image("absent:1", pull=False)
    assert caught.value.code == "image_missing"
    with pytest.raises(RuntimeFault, match="absent:1") as caught:
        bench.runtime.start(bench.spec("true", image="absent:1"))
    assert caught.value.code == "image_missing"


@pytest.mark.parametrize(
    "reference", ["gcr.io/a/b:1", "localhost:5000/x", "evil.example/python", "Upper/case", "a b", "-x", ""]
)
def test_an_image_from_elsewhere_is_refused_before_anything_is_fetched(bench: Bench, reference: str) -> None:
    with pytest.raises(RuntimeFault) as caught:
        bench.runtime.image(reference, pull=True)
    assert (caught.value.code, caught.value.retry) == ("image_denied", False)
    assert repr(reference)[1:-1] in str(caught.value)


def test_an_engine_answers_with_its_name(bench: Bench) -> None:
    assert any(character.isdigit() for character in bench.runtime.ping())


def test_an_engine_that_is_away_is_said_to_be_away(bench: Bench, tmp_path: Any) -> None:
    handle = bench.runtime.start(bench.spec("sleep", "60", does=FakeProgram(duration_s=60)))
    spec = bench.spec("true")
    absent: DockerRuntime | FakeRuntime
    if isinstance(bench.runtime, FakeRuntime):
        absent = bench.runtime
        absent.away()
    else:
        absent = DockerRuntime(f"unix://{tmp_path}/none.sock")
    calls: list[Callable[[], object]] = [
        absent.ping,
        lambda: absent.start(spec),
        lambda: absent.wait(handle),
        lambda: absent.observe(handle),
        lambda: list(absent.follow(handle)),
        lambda: list(absent.usage(handle)),
        lambda: absent.stop(handle, 0),
        lambda: absent.remove(handle),
        lambda: absent.owned(LABEL, bench.mark),
        lambda: absent.image(IMAGE, pull=True),
        lambda: list(absent.export(IMAGE)),
    ]
    for call in calls:
        with pytest.raises(RuntimeFault) as caught:
            call()
        assert (caught.value.code, caught.value.retry) == ("engine_away", True)
    if isinstance(bench.runtime, FakeRuntime):
        bench.runtime.back()
    assert isinstance(bench.runtime.observe(handle), Running)


def test_who_follows_a_short_program_misses_nothing(bench: Bench) -> None:
    for turn in range(3):
        handle = bench.runtime.start(bench.spec("echo", str(turn), does=FakeProgram(lines=(b"%d\n" % turn,))))
        assert text(list(bench.runtime.follow(handle))) == b"%d\n" % turn
