"""The process that judges values by authors' schemas: it answers one request after another, until its pipe is closed.

It needs nobody to be stopped: each judgement runs under an alarm of the kernel's, which ends the process even where Python
is deep inside one regular expression, and when its parent is gone it reads the end of the pipe and leaves.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import struct
import sys
from collections import OrderedDict
from typing import Any, BinaryIO

from apps_catalog.launch.findings import Json
from apps_catalog.launch.json_schema.asking import Question, fits
from apps_catalog.launch.json_schema.documents import Schema, dialect_of
from apps_catalog.launch.json_schema.nodes import Condition
from apps_catalog.launch.json_schema.verdicts import faults_of

KEPT = 32
MEMORY_BYTES = 2 * 1024**3
# The parent's own limit comes first; this is for a parent that is gone.
GRACE_S = 1.0
LENGTH = struct.Struct(">I")
READY = {"ready": True}


def send(pipe: BinaryIO, message: Json) -> None:
    raw = json.dumps(message).encode()
    pipe.write(LENGTH.pack(len(raw)) + raw)
    pipe.flush()


def receive(pipe: BinaryIO) -> Json | None:
    """The next message, or None at the end of the pipe."""
    head = pipe.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    raw = pipe.read(length)
    return json.loads(raw) if len(raw) == length else None


def answer(request: dict[str, Any], kept: OrderedDict[str, Schema]) -> Json:
    """The reply to one request; `need` asks for the schema itself, which is sent once."""
    digest = request["digest"]
    if digest not in kept:
        if "root" not in request:
            return {"need": True}
        # The parent has checked it, and nothing here follows a reference but jsonschema itself.
        kept[digest] = Schema(request["root"], dialect_of(request["root"]), digest, {})
        while len(kept) > KEPT:
            kept.popitem(last=False)
    kept.move_to_end(digest)
    schema = kept[digest]
    try:
        answers = [fits(schema, Question(Condition(one, negated), v)) for one, negated, v in request["questions"]]
        chosen = {(pointer, keyword): index for pointer, keyword, index in request["chosen"]}
        faults = faults_of(schema, request["instance"], chosen) if request["judged"] else []
    except RecursionError:
        return {"failed": "These values are nested too deeply to be judged by this schema."}
    except MemoryError:
        return {"failed": "This schema needs more memory than there is to judge these values."}
    return {"answers": answers, "faults": [[fault.pointer, fault.code, fault.message] for fault in faults]}


def main() -> None:
    """Serves requests on standard input and output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    source, sink = os.fdopen(0, "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library might print is no answer
    sys.setrecursionlimit(5_000)
    kept: OrderedDict[str, Schema] = OrderedDict()
    send(sink, READY)
    while (request := receive(source)) is not None:
        signal.setitimer(signal.ITIMER_REAL, request["limit_s"] + GRACE_S)
        reply = answer(request, kept)
        signal.setitimer(signal.ITIMER_REAL, 0)
        send(sink, reply)


if __name__ == "__main__":
    main()
