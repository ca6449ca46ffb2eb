"""A session: many look on, one types; what is too fast for one is left out for that one; nobody waits for anybody."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from jobs.terminals import wire
from jobs.terminals.sessions import VIEWERS_MAX, Session, Unavailable
from tests.jobs.terminals.looking import Looker

pytestmark = pytest.mark.slow


class Program:
    """A terminal that is written to by the test. `deaf`: it reads nothing that is typed."""

    mark = ""

    def __init__(self) -> None:
        self.typed = bytearray()
        self.sizes: list[tuple[int, int]] = []
        self.deaf = False
        self._waiting: list[bytes] = []
        self._over = False
        self._changed = threading.Condition()

    def shows(self, data: bytes) -> None:
        with self._changed:
            self._waiting.append(data)
            self._changed.notify_all()

    def ends(self) -> None:
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def read(self) -> bytes:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._over)
            return self._waiting.pop(0) if self._waiting else b""

    def write(self, data: bytes) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self.deaf or self._over)
            self.typed += data
            self._changed.notify_all()

    def hears(self) -> None:
        with self._changed:
            self.deaf = False
            self._changed.notify_all()

    def resize(self, columns: int, rows: int) -> None:
        with self._changed:
            self.sizes.append((columns, rows))
            self._changed.notify_all()

    def exit_code(self) -> int | None:
        return None

    def close(self) -> None:
        self.ends()

    def until_typed(self, text: bytes) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: text in self.typed, 15), bytes(self.typed[-200:])

    def until_size(self, size: tuple[int, int]) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.sizes[-1:] == [size], 15), self.sizes


@pytest.fixture
def program() -> Program:
    return Program()


@pytest.fixture
def session(program: Program) -> Iterator[Session]:
    made = Session(program, name="one", kind="program")
    made.start()
    yield made
    made.let_go()


def test_who_comes_later_is_shown_what_was_shown_before(session: Session, program: Program) -> None:
    program.shows(b"first\r\n")
    early = Looker.at(session)
    early.sees(b"first\r\n")
    late = Looker.at(session, tab="2")
    program.shows(b"second\r\n")
    late.sees(b"first\r\nsecond\r\n")
    assert late.said[0]["replay"] == len(b"first\r\n")


def test_the_first_of_the_owner_types_and_others_read(session: Session, program: Program) -> None:
    mate = Looker.at(session, "mate", owner=False)
    owner, second = Looker.at(session), Looker.at(session, tab="2")
    assert mate.hears("hello", writer=None, may_type=False, owner=False)
    assert owner.hears("hello", writer="owner", you_type=True, viewers=2)
    assert second.hears("hello", writer="owner", you_type=False, may_type=True)
    mate.type(b"mine")
    second.type(b"no")
    owner.type(b"ls\n")
    assert owner.hears("taken", bytes=3)
    assert mate.hears("taken", bytes=4)
    second.hears("taken", bytes=2)
    assert program.typed == b"ls\n"


def test_the_keyboard_is_taken_by_a_second_window_and_the_size_follows_it(session: Session, program: Program) -> None:
    owner, second = Looker.at(session), Looker.at(session, tab="2")
    owner.say("size", columns=100, rows=30)
    program.until_size((100, 30))
    second.say("size", columns=60, rows=20)
    second.say("take")
    second.hears("writer", you_type=True, writer="owner")
    program.until_size((60, 20))
    owner.hears("size", columns=60, rows=20)
    owner.say("size", columns=111, rows=33)  # who only reads makes it no other size
    second.say("size", columns=61, rows=21)
    program.until_size((61, 21))
    assert (111, 33) not in program.sizes
    second.go()
    owner.hears("writer", you_type=True, viewers=1)
    program.until_size((111, 33))


def test_a_teammate_types_while_the_owner_lets_them(session: Session, program: Program) -> None:
    owner, mate = Looker.at(session), Looker.at(session, "mate", owner=False)
    mate.say("take")
    mate.say("team", types=True)
    mate.type(b"refused")
    mate.hears("taken")
    assert mate.last["you_type"] is False
    owner.say("team", types=True)
    mate.hears("writer", may_type=True)
    mate.say("take")
    owner.hears("writer", writer="mate", you_type=False, may_type=True)
    mate.type(b"hello\n")
    program.until_typed(b"hello\n")
    owner.say("team", types=False)
    mate.hears("writer", may_type=False, you_type=False, writer="owner", team_types=False)
    mate.type(b"again")
    owner.type(b"mine\n")
    program.until_typed(b"mine\n")
    assert b"refused" not in program.typed
    assert b"again" not in program.typed


def test_a_teammate_does_not_inherit_the_keyboard(session: Session, program: Program) -> None:
    owner, mate = Looker.at(session), Looker.at(session, "mate", owner=False)
    mate.hears("hello")
    owner.go()
    mate.hears("writer", writer=None, may_type=False)


def test_a_tab_that_comes_again_is_instead_of_the_last_time(session: Session, program: Program) -> None:
    first = Looker.at(session, tab="7")
    first.hears("hello", you_type=True)
    again = Looker.at(session, tab="7")
    again.hears("hello", you_type=True, viewers=1)
    first.hears("replaced")
    first.until(lambda: first.over)


def test_one_who_draws_slowly_misses_the_middle_and_holds_up_nobody(session: Session, program: Program) -> None:
    slow, quick = Looker.at(session, tab="slow", draws=False), Looker.at(session, tab="quick")
    slow.hears("hello")
    block = b"y" * 62 + b"\r\n"
    for _ in range(40):
        program.shows(block * 1024)
        quick.until(lambda: len(quick.shown) % 65536 == 0)
    program.shows(b"the end\r\n")
    quick.sees(b"the end\r\n")
    assert len(slow.shown) <= wire.WINDOW_BYTES + 64 * 1024
    drawn = slow.until(lambda: len(slow.shown))  # its thread may not have had its turn yet
    slow._draws = True
    slow.say("seen", bytes=drawn)
    slow.sees(b"the end\r\n")
    left_out = slow.hears("skipped")["bytes"]
    assert left_out > 0
    assert len(slow.shown) + sum(m["bytes"] for m in slow.said if m["type"] == "skipped") == 40 * 65536 + 9


def test_one_who_reads_nothing_at_all_holds_up_nobody(session: Session, program: Program) -> None:
    stuck, quick = Looker.at(session, tab="stuck", reads=False), Looker.at(session, tab="quick")
    for _ in range(300):
        quick.say("team", types=True)
        quick.say("team", types=False)
    for _ in range(40):
        program.shows(b"y" * 65536)
    program.shows(b"the end\r\n")
    quick.sees(b"the end\r\n")
    stuck.go()


def test_a_program_that_reads_nothing_is_not_typed_to_without_end(session: Session, program: Program) -> None:
    program.deaf = True
    owner = Looker.at(session)
    for _ in range(4):
        owner.type(b"k" * wire.TYPED_MAX)
    program.shows(b"still shown\r\n")
    owner.sees(b"still shown\r\n")  # it is not the keys that are waited for
    owner.type(b"k" * wire.TYPED_MAX)
    owner.until(lambda: owner.over)  # more than any browser of ours would send
    program.hears()


def test_a_paste_of_ten_megabytes_arrives_in_order(session: Session, program: Program) -> None:
    owner, text = Looker.at(session), b"".join(b"%07d\n" % number for number in range(1_300_000))
    sent = 0

    def taken() -> int:
        return sum(m["bytes"] for m in owner.said if m["type"] == "taken")

    for piece in (text[start : start + 32768] for start in range(0, len(text), 32768)):
        owner.until(lambda: sent - taken() < wire.TYPED_MAX)  # noqa: B023  asked at once
        owner.type(piece)
        sent += len(piece)
    program.until_typed(text[-8:])
    assert bytes(program.typed) == text


@pytest.mark.parametrize(
    "frame",
    [
        b"\x02\x00\x00\x00\x01x",
        b"\x00\xff\xff\xff\xff",
        wire.framed(wire.MESSAGE, b"not json"),
        wire.framed(wire.MESSAGE, b"[]"),
        wire.framed(wire.MESSAGE, b'{"type": 1}'),
        wire.framed(wire.MESSAGE, b"[" * 60_000),
        wire.message("size", columns=-1, rows=5),
        wire.message("size", columns=1.5, rows=5),
        wire.message("size", columns=True, rows=5),
        wire.message("size"),
        wire.message("nobody knows this"),
    ],
)
def test_nonsense_ends_that_viewer_alone(session: Session, program: Program, frame: bytes) -> None:
    other, bad = Looker.at(session, tab="good"), Looker.at(session, tab="bad")
    bad._send(frame)
    bad.until(lambda: bad.over)
    program.shows(b"goes on")
    other.sees(b"goes on")


def test_a_huge_size_is_cut_off(session: Session, program: Program) -> None:
    owner = Looker.at(session)
    owner.say("size", columns=10**30, rows=2**63)
    program.until_size((wire.COLUMNS_MAX, wire.ROWS_MAX))


def test_there_are_only_so_many_viewers(session: Session) -> None:
    lookers = [Looker.at(session, tab=str(number)) for number in range(VIEWERS_MAX)]
    with pytest.raises(Unavailable, match="look on already") as caught:
        Looker.at(session, tab="one more")
    assert caught.value.code == "busy"
    Looker.at(session, tab="3").hears("hello")  # the same place again
    lookers[5].go()
    until = time.monotonic() + 15
    while time.monotonic() < until:
        try:
            Looker.at(session, tab="one more").hears("hello")
            return
        except Unavailable:
            time.sleep(0.02)
    raise AssertionError("nobody could come in the place of one who went")


def test_the_rest_is_shown_before_the_end_is_told(session: Session, program: Program) -> None:
    owner = Looker.at(session)
    program.shows(b"x" * 500_000)
    session.finish(3, "The program ended with exit code 3.")
    program.shows(b"last words")
    program.ends()
    assert owner.hears("end")["exit_code"] == 3
    assert owner.shown.endswith(b"last words")
    assert owner.until(lambda: owner.over)
    late = Looker.at(session, tab="late")  # before the worker has put it away
    late.sees(b"last words")
    late.hears("end", exit_code=3)


def test_a_connection_to_the_program_that_ends_is_made_again(program: Program) -> None:
    second = Program()
    coming = [second]
    session = Session(program, name="one", kind="program", again=lambda: coming.pop() if coming else None)
    session.start()
    owner = Looker.at(session)
    owner.say("size", columns=90, rows=25)
    program.until_size((90, 25))
    program.ends()
    second.shows(b"here again")
    owner.sees(b"here again")
    owner.type(b"hello")
    second.until_typed(b"hello")
    session.let_go()
    owner.until(lambda: owner.over)


def test_a_program_that_was_not_followed_for_a_while_is_made_to_draw_itself(program: Program) -> None:
    session = Session(program, name="one", kind="program", shown=b"from its log\r\n")
    session.start()
    owner = Looker.at(session)
    owner.sees(b"from its log\r\n")
    owner.say("size", columns=80, rows=24)
    with program._changed:
        assert program._changed.wait_for(
            lambda: program.sizes[-2:] == [(80, 25), (80, 24)] and len(program.sizes) > 2, 15
        )
    session.let_go()


def test_a_shell_that_nobody_looks_at_is_asked_to_end(program: Program) -> None:
    asked = threading.Event()
    session = Session(program, name="one", kind="shell", ask_to_end=asked.set, left_s=0.3)
    session.start()
    owner = Looker.at(session)
    owner.hears("hello")
    assert not asked.wait(0.6)
    owner.go()
    assert asked.wait(15)
    session.let_go()
