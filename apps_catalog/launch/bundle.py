"""A bundle looked over whole: its layout, its three descriptions, its entry point; and what is to be kept of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from apps_catalog.launch.bundle_files import BundleFiles
from apps_catalog.launch.bundle_paths import BundleFault, shown
from apps_catalog.launch.bytenite import ENTRY, MANIFEST, MANIFEST_BYTES_MAX, SCHEMA, TEMPLATE, in_file, read_bytenite
from apps_catalog.launch.document import read_document
from apps_catalog.launch.findings import Finding
from apps_catalog.launch.json_schema.bounds import MAX_BYTES as SCHEMA_BYTES_MAX
from apps_catalog.launch.registry_login import Login, without_login
from apps_catalog.launch.spec import LaunchSpec
from apps_catalog.launch.template_file import TEMPLATE_BYTES_MAX, Template, read_template

CODE = "app/"
EARLY = "app/runner.py"
LISTED = 6
RUN = re.compile(rb"^(?:async\s+)?def\s+run\s*\(", re.MULTILINE)
LOOKED_AT_BYTES = 2**20


@dataclass(frozen=True)
class BundleReading:
    """What came of looking a bundle over: a spec unless a finding is an error. The texts are what is to be stored: those
    of the author, but for the `login` that the manifest brought."""

    spec: LaunchSpec | None = None
    findings: tuple[Finding, ...] = ()
    manifest: str = ""
    schema: str = ""
    template_text: str = ""
    template: Template | None = None
    login: Login = field(default_factory=Login)

    @property
    def ok(self) -> bool:
        return self.spec is not None


def read_bundle(files: BundleFiles) -> BundleReading:
    """Look over the files of a bundle; the login goes out of its manifest. Never raises."""
    try:
        _find_top(files)
    except BundleFault as fault:
        return BundleReading(findings=(fault.finding,))
    manifest, login = _manifest_of(files)
    schema = files.read(SCHEMA, SCHEMA_BYTES_MAX)
    # An empty file is a mistake to be told of; no file is none.
    reading = read_bytenite(manifest, b" " if schema == b"" else schema or b"")
    findings = [*reading.findings]
    template_text = files.read(TEMPLATE, TEMPLATE_BYTES_MAX)
    template = None
    if template_text is not None:
        read = read_template(template_text)
        template = read.template
        findings += read.findings
    findings += _about_code(files, reading.spec)
    if files.skipped:
        findings.append(_about_skipped(files.skipped))
    spec = None if any(finding.level == "error" for finding in findings) else reading.spec
    if login:
        said = "The login of the registry was taken out of the manifest. It is kept as a secret, and nowhere else."
        findings.append(in_file(MANIFEST, Finding("info", "login", said, "/platform_config")))
    if spec is None:
        return BundleReading(findings=_errors_first(findings), login=login)
    return BundleReading(
        spec,
        _errors_first(findings),
        manifest.decode(),
        (schema or b"").decode(),
        (template_text or b"").decode(),
        template,
        login,
    )


def _errors_first(findings: list[Finding]) -> tuple[Finding, ...]:
    order = {"error": 0, "warning": 1, "info": 2}
    return tuple(sorted(findings, key=lambda finding: order[finding.level]))


def _find_top(files: BundleFiles) -> None:
    """Leave away the folder around the bundle, where there is one. Raises BundleFault."""
    if MANIFEST in files.places:
        return
    names = [path.split("/") for path in files.places]
    holding = sorted({parts[0] for parts in names if len(parts) == 2 and parts[1] == MANIFEST})
    if len(holding) > 1:
        said = f"There are several bundles in it: {', '.join(holding[:LISTED])}. Import each by itself."
        raise BundleFault("several-bundles", said)
    if holding and len({parts[0] for parts in names}) == 1:
        files.move_up(holding[0])
        return
    raise BundleFault(
        "no-manifest", f"There is no {MANIFEST} at the top of the bundle. {_what_is_there(files)}", MANIFEST
    )


def _what_is_there(files: BundleFiles) -> str:
    if not files.places:
        return "There is no file in it at all."
    near = [path for path in files.places if path.rsplit("/", 1)[-1].lower() == MANIFEST]
    if near:
        return f"There is {shown(near[0])}: name it {MANIFEST}, beside the folder app."
    listed = sorted(files.places)
    more = f" and {len(listed) - LISTED:,} more" if len(listed) > LISTED else ""
    return f"There is: {', '.join(listed[:LISTED])}{more}."


def _manifest_of(files: BundleFiles) -> tuple[bytes, Login]:
    """The manifest without the login that it brought, which the bundle no longer holds either."""
    raw = files.read(MANIFEST, MANIFEST_BYTES_MAX) or b""
    document = read_document(raw, max_bytes=MANIFEST_BYTES_MAX)
    if isinstance(document, Finding):
        return raw, Login()
    text, login = without_login(raw.decode())
    if login:
        raw = text.encode()
        files.replace(MANIFEST, raw)
    return raw, login


def _about_code(files: BundleFiles, spec: LaunchSpec | None) -> list[Finding]:
    """Whether there is something to start."""
    code = sorted(path for path in files.places if path.startswith(CODE))
    wanted = CODE + (spec.entrypoint if spec else ENTRY)
    if not code:
        said = f"There is no folder app with code in it. The entry point is {CODE}{ENTRY}."
        return [Finding("error", "no-entry-point", said, file=wanted)]
    if wanted in files.places:
        empty = files.places[wanted].size == 0
        said = "The entry point is empty: a task would end at once, and make nothing."
        return [Finding("warning", "empty-entry-point", said, file=wanted)] if empty else []
    if EARLY in files.places and wanted == CODE + ENTRY:
        if RUN.search(files.read(EARLY, LOOKED_AT_BYTES) or b""):
            return [Finding("info", "early-layout", "The early layout: its function run is called.", file=EARLY)]
        said = f"{EARLY} has no function run, and there is no {CODE}{ENTRY}. Write one of them."
        return [Finding("error", "no-entry-point", said, file=EARLY)]
    there = ", ".join(path for path in code[:LISTED])
    more = f" and {len(code) - LISTED:,} more" if len(code) > LISTED else ""
    said = f'The entry point {wanted} is not there. There is: {there}{more}. Name one of them as "entrypoint" in {MANIFEST}.'
    return [Finding("error", "no-entry-point", said, file=wanted)]


def _about_skipped(skipped: list[str]) -> Finding:
    listed = ", ".join(sorted(skipped)[:LISTED])
    more = f" and {len(skipped) - LISTED:,} more" if len(skipped) > LISTED else ""
    return Finding("info", "left-out", f"Left out, for tools leave it behind: {listed}{more}.")


def with_finding(reading: BundleReading, finding: Finding) -> BundleReading:
    """The reading with one more remark; an error refuses it."""
    spec = None if finding.level == "error" else reading.spec
    return replace(reading, spec=spec, findings=_errors_first([*reading.findings, finding]))
