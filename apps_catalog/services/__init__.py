"""What may be done with the catalog: read, import, publish. Every door goes through these."""

from __future__ import annotations

from apps_catalog.services.agreeing import accept_eula, eula_accepted_at, eula_address, eula_digest, eula_missing
from apps_catalog.services.bundles import ImportedBundle, from_archive, from_files, from_folder, import_bundle
from apps_catalog.services.engines import NAMES as ENGINES
from apps_catalog.services.engines import install_engine
from apps_catalog.services.from_images import (
    begin_image_import,
    fail_image_import,
    finish_image_import,
    overdue_image_imports,
    put_back,
    record_texts,
    request_image_import,
)
from apps_catalog.services.granting import GRANTS, grants_of, set_grant
from apps_catalog.services.importing import Imported, import_definition
from apps_catalog.services.publishing import (
    image_fits,
    look_up_image,
    make_default,
    publish,
    record_image,
    retire,
    set_image,
    set_visibility,
)
from apps_catalog.services.reading import authored_spec, not_launchable, read_definition, spec_of
from apps_catalog.services.shaping import edited_overlay, set_overlay
from apps_catalog.services.tags import bundles_for, exact_tag, resolve_tag, tags_of

__all__ = [
    "ENGINES",
    "GRANTS",
    "Imported",
    "ImportedBundle",
    "accept_eula",
    "authored_spec",
    "begin_image_import",
    "bundles_for",
    "edited_overlay",
    "eula_accepted_at",
    "eula_address",
    "eula_digest",
    "eula_missing",
    "exact_tag",
    "fail_image_import",
    "finish_image_import",
    "from_archive",
    "from_files",
    "from_folder",
    "grants_of",
    "image_fits",
    "import_bundle",
    "import_definition",
    "install_engine",
    "look_up_image",
    "make_default",
    "not_launchable",
    "overdue_image_imports",
    "publish",
    "put_back",
    "read_definition",
    "record_image",
    "record_texts",
    "request_image_import",
    "resolve_tag",
    "retire",
    "set_grant",
    "set_image",
    "set_overlay",
    "set_visibility",
    "spec_of",
    "tags_of",
]
