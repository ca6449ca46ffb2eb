"""Static files in production: compressed, named after their content, and so are the modules that modules import."""

from __future__ import annotations

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # untyped
    # Without it a module imported by another keeps its plain name: it would run a second time beside the page's own.
    support_js_module_import_aggregation = True
