"""`cmdscript`: plain or base64, written to the command's path, run with its arguments."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from apps_catalog.launch.appdef import read_appdef
from apps_catalog.launch.cmdscript import decoded
from apps_catalog.launch.plan import plan
from apps_catalog.launch.spec import Finding, PlanFile
from tests.apps_catalog.launch.corpus import APPDEFS, needs_corpus
from tests.apps_catalog.launch.generate import definition, launch, read, site

BASH = '#!/bin/bash\nfor i in 1 2 3\ndo\n   echo "Welcome $i times: é"\ndone\n'


def encoded(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def script(written: str, path: str = "/opt/run.sh -x") -> PlanFile | None:
    spec = read(definition({"s": {"type": "STR", "value": "v", "name": "", "description": ""}},
                           command={"cmdscript": written, "path": path}))  # fmt: skip
    made = plan(launch(spec, {}), site())
    assert made.argv == (*path.split(), "v")
    return next((file for file in made.files if file.path == path.split(maxsplit=1)[0]), None)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("#!/bin/sh\necho a", "#!/bin/sh\necho a"),
        ("echo a", "#!/bin/sh\necho a"),
        ("#!/bin/sh\r\necho a\r\n", "#!/bin/sh\necho a\n"),
        (encoded(BASH), BASH),
        (encoded("echo hello"), "#!/bin/sh\necho hello"),
        ("  " + encoded(BASH) + "\n", BASH),
        (base64.encodebytes((BASH * 9).encode()).decode(), BASH * 9),
        (encoded(BASH).rstrip("="), BASH),
    ],
)
def test_the_script_is_a_file_that_runs(written: str, text: str) -> None:
    assert script(written) == PlanFile("/opt/run.sh", text=text, mode=0o555)


# What might be taken for base64 and is none, as people write it.
PLAIN = [
    "hostname", "date", "true", "ls", "whoami\nhostname\n", "/usr/bin/env", "/opt/App/run", "/opt/MyApp/bin/Run12", "Xvfb",
    "Rscript", "sleep infinity", "make -j4", "echo SGVsbG8=", "a=b", "IyEvYmluL2Jhc2g= # not this", "nvidia-smi", "./Run",
    "RunSolver",
]  # fmt: skip


@pytest.mark.parametrize("written", PLAIN)
def test_a_plain_command_is_not_taken_for_base64(written: str) -> None:
    assert decoded(written) == written


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x80abc", BASH.encode("utf-16"), bytes(range(256)), b"#!/bin/sh\0\n", BASH.encode("latin-1")]
)
def test_base64_of_what_is_no_text_is_refused(content: bytes) -> None:
    raw = definition(command={"cmdscript": encoded(content), "path": "/opt/run.sh"})
    reading = read_appdef(json.dumps(raw))
    (finding,) = reading.findings
    assert (finding.level, finding.code, finding.pointer) == ("error", "cmdscript-encoding", "/commands/go/cmdscript")
    assert "not UTF-8 text" in finding.message
    assert "Save the script as UTF-8" in finding.message


@pytest.mark.parametrize("written", ["", " \n", None])
def test_an_empty_script_is_none(written: Any) -> None:
    spec = read(definition(command={"cmdscript": written}))
    assert "/bin/go" not in [file.path for file in plan(launch(spec, {}), site()).files]


PATHS = [
    ("run.sh", "is not absolute"), ("/data/run.sh", "is in /data"), ("/results/x", "is in /results"),
    ("/etc/JARVICE/jobenv.sh", "is in /etc/JARVICE"), ("/proc/1/x", "is in /proc"), ("/sys/x", "is in /sys"),
    ("/dev/null", "is in /dev"), ("/home/nimbix/x", "is in /home"), ("/root/x", "is in /root"), ("/", "root of the system"),
    ("/opt/../data/x", "is not the plain path"), ("/opt/x/", "is not the plain path"), ("//opt/x", "is not the plain path"),
    ("/bin/sh", "would replace /bin/sh"), ("/bin/bash", "would replace"), ("/etc/passwd", "would replace"),
    ("/data", "is in /data"), ("/tmp", "is in /tmp"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "words"), PATHS)
def test_a_script_is_not_written_where_it_does_harm(path: str, words: str) -> None:
    found = read_appdef(json.dumps(definition(command={"cmdscript": "echo", "path": path}))).findings
    (finding,) = [finding for finding in found if finding.level == "error"]
    assert (finding.code, finding.pointer) == ("cmdscript-path", "/commands/go/path")
    assert words in finding.message
    assert "/opt/script.sh" in finding.message


def test_a_script_where_an_upload_goes_is_refused() -> None:
    upload = {"type": "UPLOAD", "name": "", "description": "", "required": True, "target": "run.sh"}
    raw = definition({"up": upload}, command={"cmdscript": "echo", "path": "/opt/run.sh"})
    (finding,) = [f for f in read_appdef(json.dumps(raw)).findings if f.level == "error"]
    assert finding.code == "cmdscript-path"
    assert "the UPLOAD 'up'" in finding.message


def test_a_script_of_megabytes_is_refused() -> None:
    raw = definition(command={"cmdscript": "echo " + "x" * 1_100_000, "path": "/opt/x"})
    errors: list[Finding] = [f for f in read_appdef(json.dumps(raw)).findings if f.level == "error"]
    assert [finding.code for finding in errors] == ["cmdscript-too-long"]


@needs_corpus
def test_the_published_scripts_run(tmp_path: Path) -> None:
    spec = read_appdef((APPDEFS / "nimbix__app-mega.json").read_bytes()).spec
    assert spec is not None
    for command, said in (("Script_raw", "I love pizza"), ("Script_base64", "Welcome 5 times")):
        made = plan(launch(spec, {}, command, machine="n3"), site())
        (file,) = [file for file in made.files if file.path == made.argv[0]]
        path = tmp_path / command
        path.write_text(file.text.replace("ps -ax", "true"), newline="")
        path.chmod(file.mode)
        done = subprocess.run([str(path)], capture_output=True, text=True, check=True)
        assert said in done.stdout
