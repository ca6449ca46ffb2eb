"""From a plan to what one job starts: its files, its variables, and that binding is done once."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest

from apps_catalog.launch import jobfiles
from apps_catalog.launch.binding import JobValues, bind
from apps_catalog.launch.plan import plan
from apps_catalog.launch.spec import MachineSize, RunPlan
from apps_catalog.launch.vnc_password import password_file
from tests.apps_catalog.launch.generate import definition, launch, read, site
from tests.apps_catalog.launch.started import JOB, SHELLS, sourced

GENERIC = {"name": "", "description": "", "required": False, "positional": True}
# What TigerVNC's vncpasswd -f says.
VNCPASSWD_OF_SECRET1, VNCPASSWD_OF_AB = bytes.fromhex("8ebd3814a6175407"), bytes.fromhex("f9b845297cb5d3f2")
JOBINFO = ["JOB_NAME", "JOB_LABEL", "JOB_PRIVATEIP", "JOB_PUBLICIP"]


def planned(parameters: dict[str, Any] | None = None, label: str = "", nodes: int = 1, **over: Any) -> RunPlan:
    spec = read(definition(parameters, **over.pop("definition", {})))
    return plan(launch(spec, {}, label=label, nodes=nodes), site(**over))


def texts(plan: RunPlan, job: JobValues = JOB) -> dict[str, str]:
    return {file.path: file.text for file in bind(plan, job).files}


def test_nodes_and_cores_name_each_host_master_first() -> None:
    found = texts(planned(nodes=2, machine=MachineSize("n3", 3, 1024)))
    assert found["/etc/JARVICE/nodes"] == "node-0\nnode-1\n"
    assert found["/etc/JARVICE/cores"] == "node-0\n" * 3 + "node-1\n" * 3


def test_random_files_first_64_characters_are_the_random64_of_the_job() -> None:
    job = replace(JOB, random128="".join(chr(65 + n % 26) for n in range(128)))
    made = planned({"c": {**GENERIC, "type": "CONST", "value": "%RANDOM64%"}})
    assert bind(made, job).argv[-1] == texts(made, job)["/etc/JARVICE/random128.txt"][:64]


def test_jobinfo_reads_as_published() -> None:
    assert texts(planned())["/etc/JARVICE/jobinfo.sh"] == (
        ':\nJOB_NAME="20260102030405-ABCDE-app-ada_s1"\nJOB_LABEL=\nJOB_PRIVATEIP=10.0.0.2\nJOB_PUBLICIP=\n'
    )


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    "label", ["", "plain", "it's", '"; reboot; "', "$(id) `id`", "a\nb", "\\", "!! #", "é 🚢", "~"]
)
def test_sourced_jobinfo_gives_the_label_whatever_it_holds(label: str, shell: str) -> None:
    text = texts(planned(label=label))["/etc/JARVICE/jobinfo.sh"]
    assert text.startswith(":\nJOB_NAME=")
    assert sourced(text, JOBINFO, shell) == [JOB.name, label, "10.0.0.2", ""]


def test_jobenv_has_parameters_then_the_accounts_values() -> None:
    account = {
        name: {"name": name, "description": "", "userowned": False, "inherit": True} for name in ("LIC", "v", "NO")
    }
    parameters = {
        "v": {**GENERIC, "type": "STR", "value": "of this job", "variable": True},
        "LIC2": {**GENERIC, "type": "STR", "value": "", "variable": True},
    }
    made = planned(parameters, definition={"variables": account}, account=frozenset({"LIC", "v", "OTHER", "LIC2"}))
    assert [(one.name, one.value, one.account) for one in made.variables] == [
        ("v", "of this job", False),
        ("LIC", "", True),
    ]
    preview = made.files[0].text
    assert preview == ":\nv='of this job'\n# LIC is set when the job starts; its value is not shown.\n"
    job = replace(JOB, account={"LIC": "1055@it's", "v": "of the account", "OTHER": "x"})
    assert texts(made, job)["/etc/JARVICE/jobenv.sh"] == ":\nv='of this job'\nLIC='1055@it'\\''s'\n"
    # Taken away between the submission and the start: the job starts without it.
    assert texts(made)["/etc/JARVICE/jobenv.sh"] == ":\nv='of this job'\n"


def test_a_commands_account_variable_goes_before_the_apps() -> None:
    both = {"name": "", "description": "", "userowned": False, "inherit": False}
    raw = definition(
        variables={"A": both, "B": both}, command={"variables": {"B": {**both, "required": True}, "C": both}}
    )
    spec = read(raw)
    variables = spec.variables_of(spec.commands["go"])
    assert {name: one.required for name, one in variables.items()} == {"A": False, "B": True, "C": False}


IMAGE_PASSWD = "root:x:0:0:root:/root:/bin/bash\n\nnimbix:x:900:900::/old:/bin/sh\nother:x:505:505::/other:/bin/sh\nlast:x:7:7::/:/bin/sh"
IMAGE_GROUP = "root:x:0:\nnimbix:x:900:a\nother:x:0505:b\nlast:x:7:nimbix\n"


def test_the_jobs_user_is_added_to_the_images_without_clashes() -> None:
    found = texts(planned(), replace(JOB, image_passwd=IMAGE_PASSWD, image_group=IMAGE_GROUP))
    assert found["/etc/passwd"] == (
        "root:x:0:0:root:/root:/bin/bash\nlast:x:7:7::/:/bin/sh\nnimbix:x:505:505::/home/nimbix:/bin/bash\n"
    )
    assert found["/etc/group"] == "root:x:0:\nlast:x:7:nimbix\nnimbix:x:505:\n"


def test_an_image_without_users_gets_the_least() -> None:
    found = texts(planned(username="flow", group="people", uid=1001, gid=1002))
    assert found["/etc/passwd"] == (jobfiles.MINIMAL_PASSWD + "flow:x:1001:1002::/home/flow:/bin/sh\n")
    assert found["/etc/group"] == jobfiles.MINIMAL_GROUP + "people:x:1002:\n"


def test_a_job_has_a_home_by_the_name_of_its_user() -> None:
    made = planned(username="flow", group="people", uid=1001, gid=1002)
    assert (made.username, made.group, made.workdir) == ("flow", "people", "/home/flow")
    assert {name: made.env[name] for name in ("HOME", "USER", "LOGNAME")} == {
        "HOME": "/home/flow", "USER": "flow", "LOGNAME": "flow",
    }  # fmt: skip
    assert next(mount.target for mount in made.mounts if mount.kind == "home") == "/home/flow"


def test_as_root_by_an_operators_grant_the_images_users_stay() -> None:
    made = planned(runs_as_root=True, writable_root=True, uid=505, gid=505, definition={"command": {"mpirun": True}})
    assert (made.uid, made.gid, made.username, made.group) == (0, 0, "root", "root")
    assert (made.runs_as_root, made.writable_root, made.workdir, made.env["HOME"]) == (True, True, "/root", "/root")
    assert {"/etc/passwd", "/etc/group"}.isdisjoint(texts(made))
    assert made.env["OMPI_ALLOW_RUN_AS_ROOT"] == made.env["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] == "1"
    assert "OMPI_ALLOW_RUN_AS_ROOT" not in planned(definition={"command": {"mpirun": True}}).env


def test_a_plan_previews_what_is_written_later_in_words() -> None:
    made = planned({"c": {**GENERIC, "type": "CONST", "value": "$(hostname)"}})
    late = {file.path: file.text for file in made.files if file.late}
    assert set(late) == {
        "/etc/JARVICE/jobenv.sh", "/etc/JARVICE/jobinfo.sh", "/etc/JARVICE/nodes", "/etc/JARVICE/cores",
        "/etc/JARVICE/random128.txt", "/etc/passwd", "/etc/group", "/etc/JARVICE/start.sh",
    }  # fmt: skip
    assert all("written when the job starts" in text for path, text in late.items() if path != "/etc/JARVICE/jobenv.sh")
    bound = bind(made, JOB)
    assert not any(file.late or "written when" in file.text for file in bound.files)
    assert [file.path for file in bound.files] == [file.path for file in made.files]


def test_binding_what_is_bound_changes_nothing() -> None:
    made = planned({"c": {**GENERIC, "type": "CONST", "value": "$(hostname) %JOBNAME% %JOBLABEL%"}}, label="%APIKEY%")
    once = bind(made, JOB)
    other = replace(JOB, name="another", random128="z" * 128)
    assert bind(once, other) == once
    assert bind(made, JOB) == once
    assert RunPlan.from_json(once.as_json()) == once


def test_mpirun_starts_the_program_on_all_nodes() -> None:
    raw = {"command": {"mpirun": True, "verboseinit": True, "path": "/opt/solve -x"}}
    made = planned(
        {"c": {**GENERIC, "type": "CONST", "value": "%NODES% %JOBNAME%"}},
        nodes=3,
        machine=MachineSize("n8", 8, 2048, slave_ram_mib=1024, slave_gpus=1),
        definition=raw,
    )
    assert made.argv == (
        "mpirun", "--hostfile", "/etc/JARVICE/nodes", "-N", "8", "/opt/solve", "-x", "3 %JOBNAME%",
    )  # fmt: skip
    assert bind(made, JOB).argv[-1] == f"3 {JOB.name}"
    assert (made.nodes, made.verbose) == (3, True)
    assert (made.limits.memory_mib, made.limits.slave_memory_mib, made.limits.slave_gpus) == (2048, 1024, 1)


def test_a_plan_of_an_earlier_release_is_read() -> None:
    made = planned()
    old = {
        name: value
        for name, value in made.as_json().items()
        if name in ("image", "argv", "env", "files", "mounts", "uid", "gid", "workdir", "limits")
    }
    old["files"] = [
        {name: file[name] for name in ("path", "text", "upload", "mode", "base64")} for file in old["files"]
    ]
    del old["limits"]["slave_memory_mib"], old["limits"]["slave_gpus"]
    read_again = RunPlan.from_json(old)
    assert (read_again.argv, read_again.nodes, read_again.authored) == (made.argv, 1, ())
    assert bind(read_again, JOB).argv == made.argv


@pytest.mark.parametrize(
    ("keys", "there"),
    [
        ({"interactive": True}, True),
        ({"desktop": True}, True),
        ({}, False),
        ({"webshell": True, "interactive": True}, False),
    ],
)
def test_the_password_lies_ready_for_a_vnc_server_where_there_may_be_one(keys: dict[str, Any], there: bool) -> None:
    made = planned(definition={"command": keys})
    found = {file.path: file for file in bind(made, replace(JOB, password="secret1 and more")).files}
    assert ("/etc/JARVICE/vncpasswd" in found) is there
    if there:
        written = found["/etc/JARVICE/vncpasswd"]
        assert base64.b64decode(written.base64) == VNCPASSWD_OF_SECRET1
        assert (written.text, written.late) == ("", False)


def test_a_short_password_is_filled_up_as_vncpasswd_does() -> None:
    assert base64.b64decode(password_file("ab")) == VNCPASSWD_OF_AB
    assert len(base64.b64decode(password_file(""))) == 8
