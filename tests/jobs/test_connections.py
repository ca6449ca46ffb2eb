"""What people and programs are told of a job that serves something: page, list, REST; and what nobody else is told."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.test import Client

from jobs import endpoints
from jobs.models import Endpoint, Host, Job
from jobs.states import JobState
from portal.people.models import ApiToken, User
from tests.factories import make_person, make_team, make_version
from tests.jobs.serving_jobs import SECRET, age, endpoint_of, make_serving_job, open_it

pytestmark = pytest.mark.django_db
PORTS = [{"address": "192.0.2.7", "host_port": 49152, "port": 22, "protocol": "tcp"}]


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def page(user: User, job: Job, tab: str = "") -> str:
    answer = client_of(user).get(job.get_absolute_url() + tab)
    assert answer.status_code == 200
    return answer.content.decode()


def rest(user: User, job: Job) -> Any:
    _, token = ApiToken.issue(user, name="script", scopes=["read", "operate"])
    answer = Client().get(f"/api/v1/jobs/{job.number}", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    return answer.json()["connect"]


def test_a_job_that_serves_nothing_says_nothing_of_it(owner: User) -> None:
    job = make_serving_job(owner, command={})
    assert 'id="job-connection"' not in page(owner, job)
    assert rest(owner, job) is None
    hidden = make_serving_job(owner, command={"interactive": True, "noconnect": True})
    assert 'id="job-connection"' not in page(owner, hidden)
    assert rest(owner, hidden) is None


def test_until_it_answers_the_page_says_which_port_is_waited_for_and_since_when(owner: User) -> None:
    job = make_serving_job(owner)
    age(endpoint_of(job), seconds=20)
    for tab in ("", "log/", "metrics/", "inputs/", "results/"):
        text = page(owner, job, tab)
        assert "Starting: waiting for port 8888" in text
        assert re.search(r"\(2[0-9] s\)", text)
        assert 'id="job-connect"' not in text
    said = rest(owner, job)
    assert (said["kind"], said["state"], said["port"], said["url"]) == ("web", "waiting", 8888, None)
    assert said["since"] is not None


def test_a_job_that_has_not_started_says_what_will_come(owner: User) -> None:
    job = make_serving_job(owner, state=JobState.QUEUED)
    assert "The app opens in your browser once the job runs and it answers." in page(owner, job)
    assert rest(owner, job)["state"] == "coming"


def test_when_it_answers_there_is_a_connect_button_on_page_and_list(owner: User) -> None:
    job = make_serving_job(owner)
    listed = client_of(owner).get("/jobs/").content.decode()
    assert f'id="connect-{job.number}"' not in listed
    open_it(job)
    address = f"/jobs/{job.number}/connect/"
    text = page(owner, job)
    assert "Ready: the app answers." in text
    assert f'id="job-connect" href="{address}" target="_blank" rel="noopener"' in text
    listed = client_of(owner).get("/jobs/").content.decode()
    assert f'id="connect-{job.number}" href="{address}"' in listed
    said = rest(owner, job)
    assert (said["state"], said["url"]) == ("open", f"http://127.0.0.1:8000{address}")


def test_a_port_that_never_opens_is_explained_and_not_waited_for_in_silence(owner: User) -> None:
    job = make_serving_job(owner)
    age(endpoint_of(job), minutes=3, seconds=20)
    text = page(owner, job)
    assert "Nothing has answered on port 8888 for 3 min. The program may need longer, listen on another port" in text
    assert f'href="/jobs/{job.number}/log/">Look at the log</a>' in text
    assert rest(owner, job)["state"] == "late"


def test_a_program_that_listens_elsewhere_is_told_apart(owner: User) -> None:
    job = make_serving_job(owner)
    Endpoint.objects.update(other_ports=[5000, 5001])
    text = page(owner, job)
    assert "Nothing answers on port 8888, where this app says it is; something listens on ports 5000, 5001." in text
    assert "tell a curator" in text


def test_a_port_that_closes_again_is_shown(owner: User) -> None:
    job = make_serving_job(owner)
    assert endpoints.silent(open_it(job))
    text = page(owner, job)
    assert "Port 8888 does not answer any more. The program may have crashed" in text
    assert 'id="job-connect"' not in text
    assert rest(owner, job)["state"] == "silent"
    assert f'id="connect-{job.number}"' not in client_of(owner).get("/jobs/").content.decode()


@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED])
def test_a_job_that_has_ended_offers_nothing(owner: User, state: JobState) -> None:
    job = make_serving_job(owner)
    open_it(job)
    endpoints.close_all(endpoint_of(job).attempt)
    done = make_serving_job(owner, state=state)
    text = page(owner, done)
    assert "The job has ended, and the app with it." in text
    assert 'id="job-connect"' not in text
    assert rest(owner, done)["state"] == "ended"


def test_teammates_connect_and_operators_only_see_that_it_runs(owner: User, teammate: User, operator: User) -> None:
    team = make_team(owner, teammate)
    job = make_serving_job(owner, team=team)
    open_it(job)
    assert 'id="job-connect"' in page(teammate, job)
    assert rest(teammate, job)["url"].endswith(f"/jobs/{job.number}/connect/")
    text = page(operator, job)
    assert 'id="job-connect"' not in text
    assert "Only its owner, and the team it is shared with, connect to it." in text
    assert rest(operator, job)["url"] is None
    listed = client_of(operator).get("/jobs/?whose=all").content.decode()
    assert f"/jobs/{job.number}/" in listed
    assert f'id="connect-{job.number}"' not in listed
    listed = client_of(teammate).get("/jobs/?whose=teams").content.decode()
    assert f'id="connect-{job.number}"' in listed


def test_passwords_in_the_link_are_on_no_page_and_in_no_answer(owner: User, teammate: User, operator: User) -> None:
    job = make_serving_job(owner, team=make_team(owner, teammate))
    open_it(job)
    assert endpoint_of(job).path.endswith(SECRET)
    for person in (owner, teammate, operator):
        _, token = ApiToken.issue(person, name="script", scopes=["read", "operate"])
        texts = [page(person, job, tab) for tab in ("", "log/", "metrics/", "inputs/", "results/")]
        for address in (f"jobs/{job.number}", "jobs?whose=all"):
            answer = Client().get(f"/api/v1/{address}", headers={"authorization": f"Bearer {token}"})
            texts.append(answer.content.decode())
        assert not any(SECRET in text for text in texts)
    assert SECRET not in json.dumps(job.plan)


def test_who_may_not_see_the_job_learns_nothing(owner: User) -> None:
    job = make_serving_job(owner)
    open_it(job)
    stranger = client_of(make_person())
    assert stranger.get(job.get_absolute_url()).status_code == 404
    assert stranger.post(f"/jobs/{job.number}/keep/").status_code == 404


def test_a_host_whose_relay_can_not_serve_says_why(owner: User) -> None:
    job = make_serving_job(owner)
    Host.objects.update(relay_fault="The worker may not enter the network of a container: it lacks CAP_SYS_ADMIN.")
    text = page(owner, job)
    assert "Nobody can connect to jobs on host one. The worker may not enter" in text
    assert rest(owner, job)["state"] == "unable"


def test_a_portal_without_a_domain_for_apps_says_what_an_operator_does(owner: User, settings: Any) -> None:
    job = make_serving_job(owner)
    settings.APPS_DOMAIN = ""
    assert "Ask an operator to set APPS_DOMAIN." in page(owner, job)


def test_public_ports_are_listed_with_their_address(owner: User) -> None:
    job = make_serving_job(owner, command={"publicip": True, "ports": ["22/tcp"]}, published=PORTS)
    text = page(owner, job)
    assert "Its ports are reached from outside at these addresses." in text
    assert "<dt>Port 22/tcp</dt>" in text
    assert "192.0.2.7:49152" in text
    said = rest(owner, job)
    assert (said["kind"], said["state"], said["url"]) == ("", "open", None)
    assert said["ports"] == [{"address": "192.0.2.7:49152", "port": "22/tcp"}]
    waiting = make_serving_job(owner, command={"publicip": True, "ports": ["22/tcp"]}, state=JobState.QUEUED)
    assert "Its ports (22/tcp) get a public address when it starts." in page(owner, waiting)


def test_an_address_of_ipv6_is_written_as_addresses_have_it(owner: User) -> None:
    job = make_serving_job(owner, command={"publicip": True}, published=[{**PORTS[0], "address": "2001:db8::7"}])
    assert rest(owner, job)["ports"][0]["address"] == "[2001:db8::7]:49152"


def test_the_images_help_is_shown_without_anything_active(owner: User) -> None:
    job = make_serving_job(owner)
    version = job.version
    version.help_html = (
        "<h2>Login</h2><p onclick=x()>Use <b>this</b><script>alert(1)</script><iframe src=//e></iframe></p>"
    )
    version.save()
    text = page(owner, job)
    assert "<p>Use <b>this</b></p>" in text
    assert "alert(1)" not in text
    assert "iframe" not in text
    assert rest(owner, job)["help"] == "<h2>Login</h2><p>Use <b>this</b></p>"
    assert "Help of this app" not in page(owner, make_serving_job(owner, version=make_version()))


def test_a_list_of_many_jobs_asks_two_queries_more(owner: User, django_assert_max_num_queries: Any) -> None:
    for _ in range(3):
        open_it(make_serving_job(owner))
    client = client_of(owner)
    client.get("/jobs/")
    with django_assert_max_num_queries(14):
        few = client.get("/jobs/").content.decode()
    assert few.count(">Connect<") == 3


def test_a_terminal_is_on_the_jobs_own_page(owner: User) -> None:
    job = make_serving_job(owner, command={"webshell": True})
    assert "Starting: the terminal is being opened." in page(owner, job)
    open_it(job)
    assert "Ready: the terminal answers." in page(owner, job)
    assert 'id="job-connect"' not in page(owner, job)
    assert f'id="job-connect" href="/jobs/{job.number}/">' in page(owner, job, "log/")
    assert rest(owner, job)["url"] == f"http://127.0.0.1:8000/jobs/{job.number}/"
