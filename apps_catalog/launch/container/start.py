"""Starts a bundle inside its container: calls its `run`, or runs it as a program. Python 3.6 and up, standard library only.

python3 start.py partition|run|assemble ENTRY. A `run` function is given, by name, whichever of these it asks for: params,
basepath, task_dir, input_path, results_dir, output_dir, chunk_number, task_id, metadata (and source_dir, chunks_dir). The
constant OUTPUT_PATH of its module names the folder below basepath where it writes. An entry point without a `run`, or one
that calls it itself, is a program.

A chunk `{"$parameters": {...}}` is a point of a sweep: what it holds is laid over the app's own parameters.
"""

import ast
import builtins
import importlib.machinery
import importlib.util
import inspect
import json
import os
import shutil
import sys
import types

PARAMS = {"partition": "PARTITIONER_PARAMS", "run": "APP_PARAMS", "assemble": "ASSEMBLER_PARAMS"}
INPUT = {"partition": "SOURCE_DIR", "run": "TASK_DIR", "assemble": "TASK_RESULTS_DIR"}
OUTPUT = {"partition": "CHUNKS_DIR", "run": "TASK_RESULTS_DIR", "assemble": "OUTPUT_DIR"}
EARLY = "runner.py"
POINT, POINT_BYTES_MAX = "$parameters", 65536
VARIABLE_BYTES_MAX = 131000  # Linux gives a program no longer one
NO_ENTRY, NO_RUN = 66, 64  # exit codes: EX_NOINPUT, EX_USAGE
# What variables begin with that an interpreter reads as it starts, and no more.
AT_START = ("PYTHON", "LANG", "LC_", "TZ")
STARTED_WITH = dict(os.environ)


def leave(code: int, message: str) -> None:
    sys.stderr.write(message + "\n")
    sys.exit(code)


def point_of(path: str) -> "dict[str, object]":
    """The parameters that a chunk is a point of a sweep with; {} where it is another chunk."""
    with open(path, "rb") as file:
        text = file.read(POINT_BYTES_MAX + 1)
    if len(text) > POINT_BYTES_MAX or ('"' + POINT + '"').encode() not in text:
        return {}
    try:
        found = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError):
        return {}
    if isinstance(found, dict) and list(found) == [POINT] and isinstance(found[POINT], dict):
        return dict(found[POINT])
    return {}


def lay_point_over() -> None:
    point = point_of(os.path.join(os.environ["TASK_DIR"], "data.bin"))
    if point:
        text = json.dumps(dict(json.loads(os.environ["APP_PARAMS"]), **point), separators=(",", ":"))
        if len(text) > VARIABLE_BYTES_MAX:
            leave(
                NO_RUN, "The parameters of this task are too large together for a variable. Put data into the source."
            )
        os.environ["APP_PARAMS"] = text


def entry_of(asked: str) -> str:
    """The entry point; of the early layout, which has no main.py, its runner.py."""
    for path in (asked, os.path.join(os.path.dirname(asked), EARLY)):
        if os.path.isfile(path):
            return path
    leave(NO_ENTRY, "The bundle has no " + os.path.basename(asked) + " in app/. Name the entry point in manifest.json.")
    return ""


def is_program(path: str) -> bool:
    """Whether the entry point runs by itself. It is read, not executed: a program must not run twice.

    One with a `run` does so where it calls it at its top, or below `if __name__ == "__main__"` while it reads the
    environment; such a block without that is for trying it out at home.
    """
    with open(path, "rb") as file:
        text = file.read()
    try:
        tree = ast.parse(text, path)
    except (SyntaxError, ValueError):
        return True  # Python says it, of a program
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    if not any(isinstance(node, functions) and node.name == "run" for node in tree.body):
        return True
    guarded = any(isinstance(node, ast.If) and "__name__" in ast.dump(node.test) for node in tree.body)
    called = any(
        isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "run"
        for node in tree.body
        if isinstance(node, (ast.Expr, ast.Assign, ast.Try, ast.With))
        for call in ast.walk(node)
    )
    return called or (guarded and (b"environ" in text or b"getenv" in text))


def offered(stage: str) -> "dict[str, object]":
    """What a `run` may ask for, by name."""
    source, target = os.environ[INPUT[stage]], os.environ[OUTPUT[stage]]
    text = os.environ.get("CHUNK_NUMBER", "")
    number = int(text) if text else None
    task = os.environ.get("SLIPWAY_TASK", "")
    return {
        "params": json.loads(os.environ[PARAMS[stage]]),
        "basepath": os.path.dirname(target),
        "task_dir": source,
        "input_path": os.path.join(source, "data.bin") if stage == "run" else source,
        "source_dir": source,
        "results_dir": target if stage == "run" else source,
        "chunks_dir": target,
        "output_dir": target,
        "chunk_number": number,
        "task_id": task,
        "metadata": {"stage": stage, "task_id": task, "chunk_number": number},
    }


def arguments(
    parameters: "list[inspect.Parameter]", known: "dict[str, object]"
) -> "tuple[list[object], dict[str, object]]":
    """What is given to `run` by place, and by name."""
    given, named = [], {}  # type: ignore[var-annotated]
    for one in parameters:
        if one.kind == one.VAR_POSITIONAL:
            continue
        if one.kind == one.VAR_KEYWORD:
            named.update((name, value) for name, value in known.items() if name not in named)
        elif one.name not in known:
            if one.default is one.empty:
                names = ", ".join(sorted(known))
                leave(
                    NO_RUN,
                    "run() asks for '"
                    + one.name
                    + "', which is none of: "
                    + names
                    + ". Rename it, or give it a default.",
                )
            if one.kind == one.POSITIONAL_ONLY:
                given.append(one.default)
        elif one.kind == one.POSITIONAL_ONLY:
            given.append(known[one.name])
        else:
            named[one.name] = known[one.name]
    return given, named


def output_place(base: str, wanted: object, real: str) -> str:
    """The folder that OUTPUT_PATH names, made to lead to the stage's own; or one that was there before, and is read afterwards."""
    if not isinstance(wanted, str) or not wanted:
        return real
    place = os.path.normpath(os.path.join(base, wanted))
    if not (place + os.sep).startswith(base + os.sep):
        leave(NO_RUN, "OUTPUT_PATH leads out of basepath, to " + place + ". Name a folder below basepath.")
    if place == real or os.path.lexists(place):
        return place
    os.makedirs(os.path.dirname(place), exist_ok=True)
    os.symlink(real, place)
    return real


def call_run(path: str, stage: str) -> None:
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    sys.modules[name] = module
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    known = offered(stage)
    base, real = str(known["basepath"]), str(known["output_dir"])
    place = output_place(base, getattr(module, "OUTPUT_PATH", None), real)
    before = set(os.listdir(place))
    given, named = arguments(list(inspect.signature(module.run).parameters.values()), known)
    result = module.run(*given, **named)
    if inspect.iscoroutine(result):
        import asyncio  # who does not need it must not wait for it

        asyncio.new_event_loop().run_until_complete(result)
    if place != real:
        for made in sorted(set(os.listdir(place)) - before):
            shutil.move(os.path.join(place, made), os.path.join(real, made))


def is_as_fresh(folder: str) -> bool:
    """Whether a program of this folder finds what it would find in an interpreter of its own."""
    if any(os.environ.get(name) != STARTED_WITH.get(name) for name in os.environ if name.startswith(AT_START)):
        return False
    beside = {name.partition(".")[0] for name in os.listdir(folder)}
    return not beside.intersection(sys.modules)  # of what it has beside it, and we have imported from elsewhere


def run_program(path: str) -> None:
    """As `python3 path` does. In this process where it can't tell, for an interpreter takes 10 ms to start."""
    if not is_as_fresh(os.path.dirname(path)):
        os.execv(sys.executable, [sys.executable, path])
    module = types.ModuleType("__main__")
    module.__loader__ = importlib.machinery.SourceFileLoader("__main__", path)
    module.__dict__.update(__file__=path, __cached__=None, __builtins__=builtins)
    sys.modules["__main__"] = module
    sys.argv = [path]
    sys.path[0] = os.path.dirname(path)
    if hasattr(sys, "orig_argv"):
        sys.orig_argv = [sys.executable, path]
    try:
        with open(path, "rb") as file:
            code = compile(file.read(), path, "exec", dont_inherit=True)
        exec(code, module.__dict__)  # noqa: S102 - the author's program, in the author's container
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException:  # noqa: BLE001 - Python itself would say it and end
        kind, fault, trace = sys.exc_info()
        rest = trace.tb_next if trace else None  # all but our own line
        sys.excepthook(kind, fault.with_traceback(rest), rest)  # type: ignore[arg-type, union-attr]
        sys.exit(1)


def main() -> None:
    stage, path = sys.argv[1], entry_of(sys.argv[2])
    if stage == "run":
        lay_point_over()
    if is_program(path):
        run_program(path)
        return
    sys.argv = [path]
    sys.path[0] = os.path.dirname(path)
    call_run(path, stage)


if __name__ == "__main__":
    main()
