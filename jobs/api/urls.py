"""Addresses of jobs, machines and files under /api/v1/."""

from __future__ import annotations

from django.urls import path

from jobs.api import drafts, ends, files, jobs, machines, output, tasks, templates

urlpatterns = [
    path("apps/<slug:slug>/validate", jobs.Validate.as_view(), name="validate"),
    path("jobs", jobs.Jobs.as_view(), name="jobs"),
    path("jobs/<int:number>", jobs.JobView.as_view(), name="job"),
    path("jobs/<int:number>/cancel", jobs.JobCancel.as_view(), name="job-cancel"),
    path("jobs/<int:number>/pause", jobs.JobPause.as_view(), name="job-pause"),
    path("jobs/<int:number>/resume", jobs.JobResume.as_view(), name="job-resume"),
    path("jobs/<int:number>/events", output.JobEvents.as_view(), name="job-events"),
    path("jobs/<int:number>/log", output.JobLog.as_view(), name="job-log"),
    path("jobs/<int:number>/results", output.JobResults.as_view(), name="job-results"),
    path("jobs/<int:number>/results/<path:path>", output.JobResult.as_view(), name="job-result"),
    path("jobs/<int:number>/retry", jobs.JobRetry.as_view(), name="job-retry"),
    path("jobs/<int:number>/duplicate", drafts.JobDuplicate.as_view(), name="job-duplicate"),
    path("jobs/<int:number>/tasks", tasks.JobTasks.as_view(), name="job-tasks"),
    path("jobs/<int:number>/tasks/<str:stage>/<int:index>", tasks.JobTask.as_view(), name="job-task"),
    path("jobs/<int:number>/tasks/<str:stage>/<int:index>/log", tasks.TaskLog.as_view(), name="task-log"),
    path("jobs/<int:number>/tasks/<str:stage>/<int:index>/results", tasks.TaskResults.as_view(), name="task-results"),
    path(
        "jobs/<int:number>/tasks/<str:stage>/<int:index>/results/<path:path>",
        tasks.TaskResult.as_view(),
        name="task-result",
    ),
    path("drafts", drafts.Drafts.as_view(), name="drafts"),
    path("drafts/<int:number>", drafts.DraftView.as_view(), name="draft"),
    path("drafts/<int:number>/check", drafts.DraftCheck.as_view(), name="draft-check"),
    path("drafts/<int:number>/run", drafts.DraftRun.as_view(), name="draft-run"),
    path("templates", templates.Templates.as_view(), name="templates"),
    path("templates/<str:slug>", templates.TemplateView.as_view(), name="template"),
    path("machines", machines.Machines.as_view(), name="machines"),
    path("hosts", machines.Hosts.as_view(), name="hosts"),
    path("queue", machines.Queue.as_view(), name="queue"),
    path("vaults", files.Vaults.as_view(), name="vaults"),
    path("vaults/<str:name>/default", files.VaultDefault.as_view(), name="vault-default"),
    path("vaults/<str:name>/files", files.VaultFolder.as_view(), name="vault-folder"),
    path("vaults/<str:name>/files/<path:path>", files.VaultFiles.as_view(), name="vault-files"),
    path("sources/test", ends.EndTest.as_view(), name="sources-test"),
    path("sources/list", ends.EndList.as_view(), name="sources-list"),
    path("uploads/addresses", ends.UploadAddresses.as_view(), name="upload-addresses"),
    path("uploads", files.Uploads.as_view(), name="uploads"),
    path("uploads/<uuid:pk>", files.UploadView.as_view(), name="upload"),
]
