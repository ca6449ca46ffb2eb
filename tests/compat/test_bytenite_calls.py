"""What clients of ByteNite send, well and badly, and what they are answered."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps_catalog.models import App
from jobs.bytenite.data_sources import ours, theirs
from jobs.bytenite.events import rows_after
from jobs.models import Attempt, Job, LogChunk, Upload
from jobs.states import JobState
from portal.errors import PortalError
from portal.people.models import ApiToken, AuditEvent, Secret, User
from tests.apps_catalog.bundle_files import bundle, manifest, zipped
from tests.compat.bytenite_client import ByteniteClient
from tests.factories import make_machine, make_person, make_template
from tests.jobs.bundles import make_bundle
from tests.jobs.stage_jobs import job_of

pytestmark = pytest.mark.django_db
AWS = {
    "dataSourceDescriptor": "aws",
    "params": {
        "@type": "type.googleapis.com/bytenite.data_source.S3DataSource",
        "name": "/vids/bunny.mp4",
        "bucketName": "films",
        "cloudRegion": "us-east-2",
        "secret_id": "films_key",
    },
}
HTTP = "type.googleapis.com/bytenite.data_source.HttpDataSource"


@pytest.fixture(autouse=True)
def fresh(folders: Any) -> None:
    cache.clear()


def client_of(user: User, *scopes: str) -> ByteniteClient:
    key = ApiToken.issue(user, name="scripts", scopes=list(scopes or ("read", "launch")))[1]
    return ByteniteClient().enter(key)


@pytest.fixture
def client(owner: User) -> ByteniteClient:
    make_machine("n1", cores=8, ram_mib=16_384)
    make_template(owner, slug="plain", app=make_bundle(name="plain-app").app.slug)
    return client_of(owner)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            AWS,
            {
                "kind": "aws",
                "paths": ["/vids/bunny.mp4"],
                "bucket": "films",
                "region": "us-east-2",
                "secret": "films_key",
            },
        ),
        ({"dataSourceDescriptor": "bypass"}, {"kind": "bypass"}),
        (
            {"dataSourceDescriptor": "url", "params": {"@type": HTTP, "url": "https://x/a"}},
            {"kind": "url", "urls": ["https://x/a"]},
        ),
        (
            {"data_source_descriptor": "http", "params": {"url": "https://x/a"}},
            {"kind": "url", "urls": ["https://x/a"]},
        ),
        ({"dataSourceDescriptor": "local", "params": {}}, {"kind": "file"}),
        ({"dataSourceDescriptor": "url", "params": None}, {"kind": "url", "urls": []}),
        ({"kind": "url", "urls": ["https://x/a"]}, {"kind": "url", "urls": ["https://x/a"]}),
        ({"dataSourceDescriptor": "tape", "params": {}}, {"kind": "tape"}),
        (None, {}),
    ],
)
def test_sources_are_read_as_clients_write_them(given: Any, expected: Any) -> None:
    assert ours(given, "dataSource") == expected


@pytest.mark.parametrize(
    "given", [[], "url", 3, {"dataSourceDescriptor": 3}, {"dataSourceDescriptor": "url", "params": []}, {"x": 1}]
)
def test_a_source_that_is_none_is_refused(given: Any) -> None:
    if given == []:
        with pytest.raises(PortalError):
            ours(given, "dataSource")
        return
    with pytest.raises(PortalError) as refused:
        ours(given, "dataSource")
    assert refused.value.status == 400
    assert "dataSource" in refused.value.message


def test_a_source_comes_back_as_it_was_sent() -> None:
    shown = theirs(ours(AWS, "dataSource"))
    assert shown["dataSourceDescriptor"] == "aws"
    expected = AWS["params"] | {"secretId": "films_key"}  # type: ignore[operator]
    assert shown["params"] == {key: value for key, value in expected.items() if key != "secret_id"}


def test_keys_are_exchanged_and_what_is_none_is_refused(owner: User, client: ByteniteClient) -> None:
    nobody = ByteniteClient()
    assert "access_token" in nobody.call("GET", "jobs", status=401)["message"]
    nobody.call("POST", "access_token", {"apiKey": "slw_wrong"}, part="auth", status=401)
    nobody.call("POST", "access_token", {"apiKey": 3}, part="auth", status=400)
    nobody.call("POST", "access_token", {}, part="auth", status=400)
    assert AuditEvent.objects.filter(action="bytenite.failed").count() == 1
    ByteniteClient(client.token + "x").call("GET", "jobs", status=401)
    assert client.call("GET", "user", part="auth")["user"]["userName"] == owner.username


def test_a_revoked_key_takes_its_access_tokens_with_it(owner: User, client: ByteniteClient) -> None:
    key = client.call("GET", "api_keys", part="auth")["apiKeys"][0]
    assert client.call("POST", f"api_keys/{key['id']}/revoke", {}, part="auth")["ok"] is True
    client.call("GET", "jobs", status=401)


def test_signing_out_ends_this_access_token_alone(owner: User, client: ByteniteClient) -> None:
    other = client_of(owner)
    client.call("POST", "signout", {}, part="auth")
    client.call("GET", "jobs", status=401)
    assert other.call("GET", "jobs")["data"] == []


def test_failures_are_limited(settings: Any) -> None:
    settings.LOGIN_ATTEMPTS = 1
    nobody = ByteniteClient()
    found = [nobody.ask("POST", "/v1/auth/access_token", {"apiKey": "slw_x"}).status_code for _ in range(6)]
    assert found == [401] * 4 + [429] * 2


def test_scopes_bound_what_a_key_may_do(owner: User, client: ByteniteClient) -> None:
    reader = client_of(owner, "read")
    assert "launch" in reader.call("POST", "jobs", {"templateId": "plain"}, status=403)["message"]
    assert "launch" in reader.call("POST", "datasource/test", {"dataSource": {}}, status=403)["message"]
    assert "curate" in client.call("POST", "apps", {"data": "x"}, part="dev", status=403)["message"]


def test_a_draft_is_made_changed_early_and_late_run_and_aborted(owner: User, client: ByteniteClient) -> None:
    made = client.call("POST", "jobs", {"template_id": "plain", "name": "One"})["job"]
    job = made["id"]
    assert (made["state"], made["name"], made["numChunks"]) == ("JOB_STATE_NEW", "One", 0)
    assert made["params"] == {"partitioner": {}, "app": {}, "assembler": {}}
    ends = {"dataSource": {"dataSourceDescriptor": "bypass"}, "dataDestination": {"dataSourceDescriptor": "bucket"}}
    changed = client.call("POST", f"jobs/datasource/{job}", ends)["job"]
    assert changed["dataDestination"]["dataSourceDescriptor"] == "bucket"
    assert client.call("PATCH", f"jobs/{job}/jobname", {"name": "Two"})["job"]["name"] == "Two"
    config = client.call("PATCH", f"jobs/{job}/configs", {"config": {"taskTimeout": "60", "is_test_job": True}})
    assert config["job"]["config"] == {"taskTimeout": 60, "isTestJob": True}
    client.call("PATCH", f"jobs/{job}/configs", {"maxTaskRetries": 99}, status=400)
    again = client.call("POST", "jobs", {"templateId": "plain", "jobId": job, "name": "Three"})["job"]
    assert (again["id"], again["name"]) == (job, "Three")
    assert client.call("POST", f"jobs/{job}/run/", {"maxTaskRetries": 1})["ok"] is True
    client.call("PATCH", f"jobs/{job}/jobname", {"name": "Late"}, status=409)
    assert client.state(job) == "JOB_STATE_STARTED"
    assert client.call("POST", f"jobs/{job}/abort", {})["ok"] is True
    done = client.call("GET", f"jobs/{job}")["job"]
    assert (done["state"], "aborted" in done["errorMessage"] or "ancelled" in done["errorMessage"]) == (
        "JOB_STATE_FAILED",
        True,
    )
    never = client.call("POST", "jobs", {"templateId": "plain"})["job"]["id"]
    client.call("POST", f"jobs/{never}/abort", {})
    client.call("GET", f"jobs/{never}", status=404)


def test_lists_page_order_and_filter(owner: User, client: ByteniteClient) -> None:
    ids = [client.call("POST", "jobs", {"templateId": "plain", "name": f"job {n}"})["job"]["id"] for n in range(3)]
    page = client.call("GET", "jobs?pagination.limit=2&pagination.offset=0")
    assert [one["id"] for one in page["data"]] == [ids[2], ids[1]]
    assert page["pagination"] == {"total": 3, "offset": 0, "hasPrevious": False, "hasNext": True}
    assert [one["id"] for one in client.call("GET", "jobs?orderBy=createdAt")["data"]] == ids
    assert [one["id"] for one in client.call("POST", "jobs/filter", {"filter": {"name": "job 1"}})["data"]] == [ids[1]]
    assert len(client.call("POST", "jobs/filter", {"states": ["JOB_STATE_NEW"]})["data"]) == 3
    assert client.call("POST", "jobs/filter", {"states": ["JOB_STATE_PARTITIONING"]})["data"] == []
    assert "colour" in client.call("POST", "jobs/filter", {"colour": "red"}, status=400)["message"]
    client.call("GET", "jobs?orderBy=colour", status=400)
    client.call("GET", "jobs?pagination.limit=-1", status=400)
    assert client.call("POST", "jobs/runningTasks", {}) == {"tasks": []}
    assert [one["id"] for one in client.call("GET", "jobs/templates")["data"]] == ["plain"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "line 1"),
        (b"[1]", "object"),
        (b'{"templateId": "plain", "params": []}', "params"),
        (b'{"templateId": "plain", "config": "x"}', "config"),
        (b'{"templateId": "plain", "dataSource": "x"}', "dataSource"),
        (b'{"templateId": 3}', "template_id"),
        (b"{}", "template_id"),
        (b'{"templateId": "plain", "name": "a\\u0000b"}', "NUL"),
        (b'{"templateId": "plain", "config": {"taskTimeout": "soon"}}', "taskTimeout"),
    ],
)
def test_what_is_malformed_says_what_and_where(client: ByteniteClient, body: bytes, said: str) -> None:
    answer = client.ask("POST", "/v1/customer/jobs", body)
    assert answer.status_code == 400, answer.text
    assert said.lower() in answer.json()["message"].lower()
    assert Job.objects.count() == 0


def test_what_is_not_there_or_not_mine_looks_the_same(client: ByteniteClient) -> None:
    job = client.call("POST", "jobs", {"templateId": "plain"})["job"]["id"]
    stranger = client_of(make_person("strange"))
    messages = [stranger.call("GET", f"jobs/{one}", status=404)["message"] for one in (job, "999999", "x" * 200)]
    assert messages[0].replace(job, "N") == messages[1].replace("999999", "N")
    stranger.call("POST", "jobs", {"templateId": "plain"}, status=404)
    stranger.call("GET", "nothing/here", status=404)
    client.call("PUT", "jobs", {}, status=405)


def test_keys_that_come_with_a_source_are_sealed_and_never_shown(owner: User, client: ByteniteClient) -> None:
    source = {
        "dataSourceDescriptor": "s3",
        "params": {"name": "a/", "bucketName": "b", "accessKey": "AKIA", "secretKey": "hush-hush"},
    }
    made = client.call("POST", "jobs", {"templateId": "plain", "dataSource": source})
    shown = str(client.call("GET", f"jobs/{made['job']['id']}")) + str(made)
    assert "hush-hush" not in shown
    assert Secret.objects.filter(user=owner, kind=Secret.Kind.KEYS).count() == 1
    assert "hush-hush" not in str(list(Job.objects.values())) + str(list(Secret.objects.values()))


def test_secrets_are_kept_listed_and_deleted_but_never_shown(owner: User, client: ByteniteClient) -> None:
    body = {
        "secret": {"id": "my_aws", "secretType": "s3", "accessKey": "AKIA", "expiresAt": "2027-12-29T18:02:27.140Z"},
        "secretKey": "hush",
    }
    assert client.call("POST", "secrets", body, part="auth")["ok"] is True
    listed = client.call("GET", "secrets", part="auth")
    assert [(one["id"], one["secretType"]) for one in listed["secrets"]] == [("my_aws", "s3")]
    assert "hush" not in str(listed)
    client.call("POST", "secrets", {"secret": {"id": "no good"}, "secretKey": "x"}, part="auth", status=400)
    client.call("DELETE", "secrets/s3/my_aws", part="auth")
    client.call("DELETE", "secrets/s3/my_aws", part="auth", status=404)


def test_a_bundle_that_is_none_is_refused(client: ByteniteClient) -> None:
    author = client_of(make_person("author", is_curator=True), "read", "launch", "curate")
    for data in ("not base64", base64.b64encode(b"not an archive").decode(), ""):
        assert author.call("POST", "apps", {"data": data}, part="dev", status=400)["message"]
    assert author.call("GET", "apps", part="dev")["pagination"]["total"] >= 1
    found = author.call("GET", "apps/plain-app", part="dev")["app"]
    assert (found["name"], found["status"], found["entrypoint"]) == ("plain-app", "active", "main.py")
    assert author.fetch(author.call("GET", "apps/plain-app@1.0/download", part="dev")["link"])[:2] == b"PK"
    author.call("GET", "engines/plain-app", part="dev", status=404)
    author.call("POST", "apps/plain-app/deactivate", {}, part="dev")
    assert author.call("GET", "apps/plain-app/status", part="dev")["status"] == "inactive"
    assert client.call("POST", "jobs", {"templateId": "plain"}, status=400)["message"]


def test_a_job_that_has_ended_is_deleted_with_what_it_left(owner: User, client: ByteniteClient) -> None:
    job = client.call("POST", "jobs", {"templateId": "plain"})["job"]["id"]
    client.call("POST", f"jobs/{job}/run", {})
    client.call("DELETE", f"jobs/{job}", status=409)
    client.call("POST", f"jobs/{job}/abort", {})
    assert client.call("DELETE", f"jobs/{job}")["ok"] is True
    row = Job.objects.get(pk=int(job))
    assert row.state == JobState.CANCELLED
    assert row.purged_at is not None
    assert client.call("GET", "jobs")["data"] == []


def test_an_engine_pushed_as_an_app_is_refused_and_not_kept(client: ByteniteClient) -> None:
    author = client_of(make_person("author", is_curator=True), "read", "launch", "curate")
    archive = zipped(bundle(manifest(name="cutter", type="partitioner"))).getvalue()
    data = {"data": base64.b64encode(archive).decode()}
    assert "partitioner" in author.call("POST", "apps", data, part="dev", status=400)["message"]
    assert not App.objects.filter(slug="cutter").exists()
    assert author.call("POST", "engines", data, part="dev")["engine"]["name"] == "cutter"


def test_the_log_of_one_task_is_found_behind_long_ones_of_others(owner: User, client: ByteniteClient) -> None:
    job = job_of(owner, 3)
    for attempt in Attempt.objects.filter(task__job=job, task__stage="run"):
        data = b"a line\n" * 3000 if attempt.task.index < 2 else b"WARNING: mine\n"
        LogChunk.objects.create(attempt=attempt, sequence=0, offset=0, data=data)
        Attempt.objects.filter(pk=attempt.pk).update(log_bytes=len(data))
    found = client.call("POST", "logs", {"jobId": str(job.number), "taskIds": [f"{job.number}-run-2"]})
    told = found["taskrunner"][f"{job.number}-run-2"]["logs"]
    assert [(one["log"], one["level"]) for one in told] == [("WARNING: mine", "WARNING")]
    assert list(found["taskrunner"]) == [f"{job.number}-run-2"]
    assert (
        len(client.call("POST", "logs", {"jobId": str(job.number)})["taskrunner"][f"{job.number}-run-0"]["logs"])
        == 2000
    )


def test_what_is_refused_leaves_no_upload(client: ByteniteClient) -> None:
    file = {"dataSourceDescriptor": "file", "params": {"name": "a.bin"}}
    client.call("POST", "jobs", {"templateId": "plain", "dataSource": file, "config": {"jobTimeout": -1}}, status=400)
    assert not Upload.objects.exists()
    job = client.call("POST", "jobs", {"templateId": "plain", "dataSource": file})["job"]
    assert job["dataSource"]["params"]["tempUrl"]
    client.call("PATCH", f"jobs/{job['id']}/datasource", {"dataSource": file, "dataDestination": {"x": 1}}, status=400)
    assert Upload.objects.count() == 1


def test_events_and_lists_of_many_jobs_cost_no_more_than_those_of_one(owner: User, client: ByteniteClient) -> None:
    costs = []
    rows: list[dict[str, Any]] = []
    for count in (1, 8):
        for _ in range(count):
            job = client.call("POST", "jobs", {"templateId": "plain"})["job"]["id"]
            client.call("POST", f"jobs/{job}/run", {})
        with CaptureQueriesContext(connection) as asked:
            rows = rows_after(owner, 0)
        with CaptureQueriesContext(connection) as listed:
            page = client.call("POST", "jobs/filter", {"states": ["JOB_STATE_STARTED"]})
        assert {row["state"] for row in (*rows, *page["data"])} == {"JOB_STATE_STARTED"}
        costs.append((len(asked), len(listed)))
    assert len({row["jobId"] for row in rows}) == 9
    assert costs[0] == costs[1]
