"""Static files with their content's hash in the name, also inside ES modules."""

from __future__ import annotations

from whitenoise.storage import CompressedManifestStaticFilesStorage


class ModuleManifestStorage(CompressedManifestStaticFilesStorage):
    # Without this, `import "./best.js"` would keep its plain, cacheable name.
    support_js_module_import_aggregation = True
