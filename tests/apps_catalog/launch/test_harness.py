"""The script that starts a bundle in its container: programs, `run` by its signature, the early layout."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from apps_catalog.launch.harness import KEEPER, REMAINS, TEXT


def writes(place: str, what: str) -> str:
    """A statement that writes a text into out.txt of a folder; both are expressions."""
    return f"open(os.path.join({place}, 'out.txt'), 'w').write({what})"


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """A base folder as a task of the stage `run` finds it."""
    for name in ("app", "job/task", "job/results", "job/source", "job/chunks", "job/output"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "start.py").write_text(TEXT)
    (tmp_path / "job/task/data.bin").write_bytes(b"chunk")
    return tmp_path


SAYS_PARAMS = "import os\n" + writes("os.environ['TASK_RESULTS_DIR']", "os.environ['APP_PARAMS']")


def start(job: Path, code: str = "", *, stage: str = "run", entry: str = "main.py") -> subprocess.CompletedProcess[str]:
    if code:
        (job / "app" / entry).write_text(code)
    folders = {
        "partition": {"SOURCE_DIR": "source", "CHUNKS_DIR": "chunks"},
        "run": {"TASK_DIR": "task", "TASK_RESULTS_DIR": "results"},
        "assemble": {"TASK_RESULTS_DIR": "results", "OUTPUT_DIR": "output"},
    }[stage]
    params = {"partition": "PARTITIONER_PARAMS", "run": "APP_PARAMS", "assemble": "ASSEMBLER_PARAMS"}[stage]
    env = {name: str(job / "job" / folder) for name, folder in folders.items()}
    env |= {params: json.dumps({"n": 7}), "PATH": os.environ["PATH"], "SLIPWAY_TASK": "5-run-2"}
    env |= {"CHUNK_NUMBER": "2"} if stage == "run" else {}
    words = [sys.executable, str(job / "start.py"), stage, str(job / "app" / "main.py")]
    return subprocess.run(words, env=env, capture_output=True, text=True, check=False)


def written(job: Path, folder: str = "results") -> str:
    return (job / "job" / folder / "out.txt").read_text()


@pytest.mark.parametrize("text", [TEXT, KEEPER, REMAINS], ids=["start", "keeper", "remains"])
def test_it_is_python_3_6(text: str) -> None:
    ast.parse(text, feature_version=(3, 6))


def test_a_program_without_run_is_main(job: Path) -> None:
    (job / "app" / "beside.py").write_text("WORD = 'beside'\n")
    code = "import os, beside\nassert __name__ == '__main__'\n" + writes(
        "os.environ['TASK_RESULTS_DIR']", "beside.WORD + os.environ['APP_PARAMS']"
    )
    done = start(job, code)
    assert done.returncode == 0, done.stderr
    assert written(job) == 'beside{"n": 7}'


def test_run_is_given_what_it_asks_for_by_name(job: Path) -> None:
    code = (
        "import os\n"
        "def run(params, task_dir, input_path, results_dir, chunk_number, task_id, basepath, *, metadata, more=1):\n"
        "    assert open(input_path).read() == 'chunk' and os.path.dirname(input_path) == task_dir\n"
        "    assert chunk_number == 2 and task_id == '5-run-2' and metadata['stage'] == 'run' and more == 1\n"
        "    assert os.path.dirname(results_dir) == basepath\n"
        "    " + writes("results_dir", "str(params['n'])")
    )
    done = start(job, code)
    assert done.returncode == 0, done.stderr
    assert written(job) == "7"


@pytest.mark.parametrize("name", ["output", "results", "out/deep", "task"])
def test_output_path_names_where_results_go(job: Path, name: str) -> None:
    if name == "output":
        (job / "job" / "output").rmdir()
    code = f"import os\nOUTPUT_PATH = {name!r}\ndef run(basepath, params):\n    " + writes(
        "os.path.join(basepath, OUTPUT_PATH)", "'here'"
    )
    done = start(job, code)
    assert done.returncode == 0, done.stderr
    assert written(job) == "here"
    assert sorted(path.name for path in (job / "job" / "results").iterdir()) == ["out.txt"]


def test_the_early_layout_has_a_runner_and_no_main(job: Path) -> None:
    code = "import os\ndef run(results_dir):\n    " + writes("results_dir", "'early'")
    code += "\nif __name__ == '__main__':\n    run('/nowhere')\n"
    done = start(job, code, entry="runner.py")
    assert done.returncode == 0, done.stderr
    assert written(job) == "early"


def test_a_program_that_calls_its_run_itself_runs_once(job: Path) -> None:
    code = (
        "import os\n"
        "def run(words):\n    print('ran', words)\n"
        "if __name__ == '__main__':\n    run(os.environ['APP_PARAMS'])\n"
    )
    assert start(job, code).stdout == 'ran {"n": 7}\n'
    assert start(job, "def run():\n    print('ran')\nrun()\n").stdout == "ran\n"


@pytest.mark.parametrize(
    ("stage", "source", "target"), [("partition", "source_dir", "chunks"), ("assemble", "results_dir", "output")]
)
def test_engines_have_run_too(job: Path, stage: str, source: str, target: str) -> None:
    code = (
        f"import os\ndef run(params, {source}, output_dir, chunk_number):\n"
        f"    assert os.path.isdir({source}) and chunk_number is None\n"
        "    " + writes("output_dir", "'x'")
    )
    done = start(job, code, stage=stage)
    assert done.returncode == 0, done.stderr
    assert written(job, target) == "x"


def test_async_run_is_awaited_and_spare_arguments_are_given(job: Path) -> None:
    done = start(job, "async def run(params, **rest):\n    print(params, sorted(rest)[:2])\n")
    assert done.stdout == "{'n': 7} ['basepath', 'chunk_number']\n"


@pytest.mark.parametrize(
    ("code", "exit_code", "said"),
    [
        ("def run(weather):\n    pass\n", 64, "run() asks for 'weather', which is none of: basepath, chunk_number"),
        ("OUTPUT_PATH = '../out'\ndef run(params):\n    pass\n", 64, "OUTPUT_PATH leads out of basepath"),
        ("", 66, "The bundle has no main.py in app/. Name the entry point in manifest.json."),
        ("def run(params):\n    raise ValueError('no')\n", 1, "ValueError: no"),
        ("import sys\nsys.exit(3)\n", 3, ""),
        ("def run(params:\n", 1, "SyntaxError"),
    ],
)
def test_what_goes_wrong_is_said_and_ends_it(job: Path, code: str, exit_code: int, said: str) -> None:
    done = start(job, code)
    assert done.returncode == exit_code, done.stderr
    assert said in done.stderr


def test_a_point_of_a_sweep_is_laid_over_the_parameters(job: Path) -> None:
    (job / "job/task/data.bin").write_text('{"$parameters": {"rate": 0.5, "n": 8, "word": "\\ud800ä"}}\n')
    assert start(job, SAYS_PARAMS).returncode == 0
    assert json.loads(written(job)) == {"n": 8, "rate": 0.5, "word": "\ud800ä"}
    done = start(job, "import os\ndef run(params, results_dir):\n    " + writes("results_dir", "str(params['rate'])"))
    assert done.returncode == 0, done.stderr
    assert written(job) == "0.5"


NO_POINTS = (
    b'{"$parameters": [1]}',
    b'{"$parameters": {"n": 8}, "more": 1}',
    b'{"parameters": {"n": 8}}',
    b'{"$parameters": {"n": 8}',
    b'"$parameters"' + b"[" * 60_000,
    b'{"$parameters": {"n": "' + b"x" * 70_000 + b'"}}',
    b'\xff{"$parameters": {"n": 8}}',
)


@pytest.mark.parametrize("chunk", NO_POINTS, ids=range(len(NO_POINTS)))
def test_any_other_chunk_changes_no_parameter(job: Path, chunk: bytes) -> None:
    (job / "job/task/data.bin").write_bytes(chunk)
    assert start(job, SAYS_PARAMS).returncode == 0
    assert json.loads(written(job)) == {"n": 7}


def test_a_point_that_no_variable_can_hold_is_refused(job: Path) -> None:
    (job / "job/task/data.bin").write_text(json.dumps({"$parameters": {"n": "ä" * 30_000}}, ensure_ascii=False))
    done = start(job, SAYS_PARAMS)
    assert done.returncode == 64
    assert "too large together" in done.stderr


def test_a_program_is_the_main_module_whole(job: Path) -> None:
    code = (
        "import __main__, json, multiprocessing, os, pickle, sys\n"
        "class Point:\n    pass\n"
        "def double(n):\n    return 2 * n\n"
        "if __name__ == '__main__':\n"
        "    assert type(pickle.loads(pickle.dumps(Point()))) is Point is __main__.Point\n"
        "    assert (sys.argv, sys.path[0]) == ([__file__], os.path.dirname(__file__))\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        assert pool.map(double, [4]) == [8]\n"
        "    kept = " + writes("os.environ['TASK_RESULTS_DIR']", "'whole'").replace(".write(", "; kept.write(") + "\n"
    )
    done = start(job, code)
    assert (done.returncode, done.stderr) == (0, "")
    assert written(job) == "whole"  # a file that nobody closed is flushed as it ends


@pytest.mark.parametrize(
    ("code", "exit_code", "said"),
    [
        ("import sys\nsys.exit(3)\n", 3, ""),
        ("import sys\nsys.exit('no more')\n", 1, "no more\n"),
        (
            "def deep():\n    return 1 / 0\ndeep()\n",
            1,
            (
                'Traceback (most recent call last):\n  File "{path}", line 3, in <module>\n    deep()\n'
                '  File "{path}", line 2, in deep\n    return 1 / 0\n'
            ),
        ),
        ("x = = 1\n", 1, '  File "{path}", line 1\n'),
        (
            "import sys\nsys.excepthook = lambda *told: print('mine', told[0].__name__, file=sys.stderr)\n1/0\n",
            1,
            "mine Z",
        ),
    ],
)
def test_a_program_ends_as_under_python_itself(job: Path, code: str, exit_code: int, said: str) -> None:
    done = start(job, code)
    assert done.returncode == exit_code
    assert done.stderr.startswith(said.format(path=job / "app" / "main.py")), done.stderr
    assert "start.py" not in done.stderr


def test_what_a_program_has_beside_it_goes_before_what_is_imported_already(job: Path) -> None:
    (job / "app" / "inspect.py").write_text("WORD = 'its own'\n")
    done = start(job, "import os, inspect\n" + writes("os.environ['TASK_RESULTS_DIR']", "inspect.WORD"))
    assert done.returncode == 0, done.stderr
    assert written(job) == "its own"


@pytest.mark.parametrize(
    ("name", "fresh"), [("PYTHONHASHSEED", False), ("TZ", False), ("LC_ALL", False), ("MINE", True)]
)
def test_variables_for_an_interpreter_get_one_of_their_own(
    job: Path, name: str, fresh: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: dict[str, Any] = {"__name__": "start"}
    exec(compile(TEXT, "start.py", "exec"), names)
    assert names["is_as_fresh"](job / "app") is True
    monkeypatch.setenv(name, "7")
    assert names["is_as_fresh"](job / "app") is fresh
