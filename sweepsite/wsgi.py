"""The WSGI application that gunicorn serves."""

from __future__ import annotations

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sweepsite.settings")

django_application = get_wsgi_application()

from experiments.db.wal import start_checkpoints  # noqa: E402
from sweepsite.quick_answers import QuickAnswers  # noqa: E402

application = QuickAnswers(django_application)

start_checkpoints()
# What is loaded stays: a collection need not look at it each time.
gc.collect()
gc.freeze()
