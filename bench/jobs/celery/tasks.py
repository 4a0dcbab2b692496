"""A task that does nothing, in a queue that loses nothing: it is acknowledged after it ran."""

import os

from celery import Celery

app = Celery("tasks", broker=f"redis://127.0.0.1:{os.environ['PEER_PORT']}/0")
app.conf.task_acks_late = True
app.conf.task_ignore_result = True


@app.task
def nothing():
    """Does nothing."""
