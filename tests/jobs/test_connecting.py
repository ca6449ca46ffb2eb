"""From a submission to a program that knows where it is reached: the judge, the worker, and what a program is told."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from apps_catalog.launch.spec import Submission
from jobs import hosts, services
from jobs.hosts import WorkerRefused
from jobs.job_values import password_of
from jobs.models import Attempt, Endpoint, Host
from jobs.runtimes.fake import FakeRuntime
from jobs.slots import Slots
from jobs.states import FailureClass, JobState
from portal.people.models import User
from tests.apps_catalog.launch.generate import definition
from tests.factories import make_host, make_machine, make_version
from tests.jobs.serving_jobs import age
from tests.jobs.workers import Start, ended, launch, program, running

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
in_threads = pytest.mark.django_db(transaction=True)  # the slots' threads see what is committed
URL = "https://%PUBLICADDR%:8888/lab?token=%NIMBIXPASSWD%&label=%JOBLABEL%"


def constant(value: str) -> dict[str, Any]:
    return {"type": "CONST", "value": value, "name": "n", "description": "d", "required": True, "positional": True}


def serving(parameters: Any = None, **command: Any) -> Any:
    return make_version(definition=definition(parameters, command={"interactive": True, **command}))


def eventually(found: Callable[[], Any], within_s: float = 10) -> Any:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if result := found():
            return result
        time.sleep(0.02)
    raise AssertionError("It did not happen.")


def listens(slots: Slots, *ports: int) -> None:
    slots.watcher.readiness.listening = lambda tended: frozenset(ports)


# -- the worker -------------------------------------------------------------------------------------------------------


@in_threads
def test_a_program_is_told_where_it_is_reached_and_people_are_led_there(owner: User, start: Start) -> None:
    runtime = FakeRuntime(program=program(duration_s=60))
    slots = start(runtime)
    parameters = {"a": constant("%CONNECTURL%"), "b": constant("%BASEURL%"), "c": constant("%PUBLICADDR%")}
    job = launch(owner, version=serving(parameters, url=URL), command="go", parameters={}, label="a b")
    running(job)
    endpoint = Endpoint.objects.get(job=job)
    assert (endpoint.kind, endpoint.port, endpoint.state) == (Endpoint.Kind.WEB, 8888, Endpoint.State.WAITING)
    assert endpoint.path == f"/lab?token={password_of(job)}&label=a%20b"
    (spec,) = runtime.started
    host = f"{endpoint.label}.localhost"
    assert spec.argv == ("/bin/go", f"http://{host}:8000/", "/", host)
    assert spec.network == "none"
    assert spec.public == ()
    listens(slots, 8888)
    eventually(lambda: Endpoint.objects.get(job=job).state == Endpoint.State.OPEN)
    assert [event.kind for event in job.events.order_by("id")][-2:] == ["started", "ready"]
    services.cancel(job=job, actor=owner)
    ended(job)
    assert Endpoint.objects.get(job=job).state == Endpoint.State.CLOSED


@in_threads
def test_the_images_link_is_read_at_the_start_where_nobody_else_says_one(owner: User, start: Start) -> None:
    files = {"/etc/NAE/url.txt": b"http://%PUBLICADDR%:7000/from-image?p=%NIMBIXPASSWD%\n"}
    runtime = FakeRuntime(program=program(duration_s=0.1), files=files)
    start(runtime)
    job = ended(launch(owner, version=serving(), command="go", parameters={}))
    endpoint = Endpoint.objects.get(job=job)
    assert (endpoint.port, endpoint.path) == (7000, f"/from-image?p={password_of(job)}")
    own = ended(launch(owner, version=serving(url=URL), command="go", parameters={}))
    assert Endpoint.objects.get(job=own).port == 8888
    read = [path for _, path in runtime.read]
    assert read.count("/etc/NAE/url.txt") == 1, "the author's own link goes before it, so it is not read"


@in_threads
def test_an_image_whose_link_leads_elsewhere_is_passed_over_with_a_word(owner: User, start: Start) -> None:
    start(FakeRuntime(program=program(duration_s=0.1), files={"/etc/NAE/url.txt": b"https://evil.example/"}))
    job = ended(launch(owner, version=serving(), command="go", parameters={}))
    endpoint = Endpoint.objects.get(job=job)
    assert (endpoint.port, endpoint.path) == (5902, "/")
    (event,) = job.events.filter(kind="connect")
    assert event.message == (
        "The /etc/NAE/url.txt of the image leads to evil.example, which is not the job; write %PUBLICADDR% in its place. "
        "It is not used; port 5902 is."
    )


@in_threads
def test_a_job_that_serves_nothing_has_no_endpoint(owner: User, start: Start) -> None:
    runtime = FakeRuntime(program=program(duration_s=0.1), files={"/etc/NAE/url.txt": b"http://%PUBLICADDR%/"})
    start(runtime)
    ended(launch(owner))
    assert not Endpoint.objects.exists()
    assert "/etc/NAE/url.txt" not in [path for _, path in runtime.read]


@in_threads
def test_public_ports_are_published_at_the_hosts_address_and_kept(owner: User, start: Start) -> None:
    make_machine("n1", network="outgoing", public_ports=True)
    runtime = FakeRuntime(program=program(duration_s=60))
    start(runtime, host=make_host(serves={"n1": 1}, public_address="127.0.0.1"), n1=1)
    parameters = {"a": constant("%PUBLICADDR%")}
    version = serving(parameters, publicip=True, ports=["8080/tcp", "22/tcp"], url="http://%PUBLICADDR%:8080/")
    job = launch(owner, version=version, command="go", parameters={})
    attempt = running(job)
    assert [(one["address"], one["port"], one["protocol"]) for one in attempt.published] == [
        ("127.0.0.1", 8080, "tcp"),
        ("127.0.0.1", 22, "tcp"),
    ]
    assert all(one["host_port"] for one in attempt.published)
    (spec,) = runtime.started
    assert [(one.port, one.address) for one in spec.public] == [(8080, "127.0.0.1"), (22, "127.0.0.1")]
    assert spec.argv[-1] == "127.0.0.1"
    jobinfo = [m.source for m in spec.mounts if m.target == "/etc/JARVICE/jobinfo.sh"]
    assert len(jobinfo) == 1
    services.cancel(job=job, actor=owner)
    ended(job)


@in_threads
def test_a_host_without_an_address_says_what_an_operator_does(owner: User, start: Start) -> None:
    make_machine("n1", network="outgoing", public_ports=True)
    start(FakeRuntime(program=program()))
    job = ended(launch(owner, version=serving(publicip=True), command="go", parameters={}))
    assert (job.state, job.failure_class) == (JobState.FAILED, FailureClass.INFRA)
    assert "host one has none. Ask an operator to give its worker PUBLIC_ADDRESS" in job.reason


@in_threads
def test_an_app_that_nobody_uses_is_stopped_with_plain_words(owner: User, start: Start, settings: Any) -> None:
    settings.IDLE_STOP_HOURS = 8
    slots = start(FakeRuntime(program=program(duration_s=60)))
    listens(slots, 8888)
    job = launch(owner, version=serving(url=URL), command="go", parameters={})
    running(job)
    endpoint = eventually(lambda: Endpoint.objects.filter(job=job, state=Endpoint.State.OPEN).first())
    age(endpoint, hours=9)
    slots.watcher._look_for_idle()
    done = ended(job)
    assert (done.state, done.reason) == (
        JobState.CANCELLED,
        "Stopped, because nobody had used it for 8 h. Launch it again when you need it.",
    )


@in_threads
def test_a_next_process_goes_on_listening(owner: User, start: Start) -> None:
    runtime = FakeRuntime(program=program(duration_s=60))
    first = start(runtime)
    listens(first)
    job = launch(owner, version=serving(url=URL), command="go", parameters={})
    attempt = running(job)
    first.leave()
    first.watcher.superseded.set()
    Host.objects.update(incarnation="00000000-0000-4000-8000-000000000001")
    Attempt.objects.filter(pk=attempt.pk).update(tended_by="00000000-0000-4000-8000-0000000000ff")
    second = start(runtime, host=Host.objects.get())
    listens(second, 8888)
    eventually(lambda: Endpoint.objects.get(job=job).state == Endpoint.State.OPEN)
    assert Endpoint.objects.filter(job=job).count() == 1
    services.cancel(job=job, actor=owner)
    ended(job)


# -- the judge --------------------------------------------------------------------------------------------------------


def faults(owner: User, version: Any, machine: str = "n1") -> list[tuple[str, str, str]]:
    submission = Submission("go", {}, machine=machine, vault="NONE")
    preview = services.preview(owner=owner, version=version, submission=submission)
    return [(fault.pointer, fault.code, fault.message) for fault in preview.faults]


def test_a_public_address_is_refused_where_the_machine_type_grants_none(owner: User) -> None:
    make_machine("n1")
    version = serving(publicip=True)
    assert faults(owner, version) == [
        (
            "/machine",
            "no_public_address",
            "This app asks for a public address, and jobs on n1 get none. Ask an operator for a machine type that does.",
        )
    ]
    make_machine("n2", network="outgoing", public_ports=True)
    assert faults(owner, version)[0][2].endswith("jobs on n1 get none. Pick n2, which do.")
    assert faults(owner, version, "n2") == []
    assert faults(owner, version, "") == [], "where nobody chose one, one that grants it is taken"


def test_what_is_only_interactive_needs_no_public_address(owner: User) -> None:
    make_machine("n1")
    assert faults(owner, serving(ports=["8080/tcp"])) == []


def test_bad_ports_and_a_bad_link_of_the_image_are_faults_of_the_launch(owner: User) -> None:
    make_machine("n1", network="outgoing", public_ports=True)
    (fault,) = faults(owner, serving(publicip=True, ports=["80/tcp", "53/udp"]))
    assert fault[:2] == ("/command", "unfit_ports")
    version = make_version(definition=definition(command={"interactive": True}), url_template="javascript:alert(1)")
    (fault,) = faults(owner, version)
    assert fault[:2] == ("/command", "unfit_url")
    assert "begins with javascript:, which is never opened" in fault[2]


# -- hosts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["203.0.113.7", "example.org", "0.0.0.0", "::", "1", "127.0.0.1:80", "\n"])
def test_a_worker_whose_public_address_is_not_its_own_says_so(address: str) -> None:
    make_machine("n1")
    with pytest.raises(WorkerRefused, match="which is no address of this host"):
        hosts.register(name="one", serve={"n1": 1}, tags=[], mounts="shared", public_address=address)
    assert not Host.objects.exists()


def test_a_worker_that_serves_public_ports_needs_an_address(folders: None) -> None:
    make_machine("n1", network="outgoing", public_ports=True)
    with pytest.raises(WorkerRefused, match="Add --public-address"):
        hosts.register(name="one", serve={"n1": 1}, tags=[], mounts="shared")
    host = hosts.register(name="one", serve={"n1": 1}, tags=[], mounts="shared", public_address="127.0.0.1")
    assert host.public_address == "127.0.0.1"
