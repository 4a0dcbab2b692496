"""Queues COUNT empty tasks, lets workers empty the queue, and prints how many a second were queued and done.

usage: PEER_PORT=port peer.py COUNT CONCURRENCY
"""

import os
import subprocess
import sys
import time

from redis import Redis

from tasks import nothing

COUNT, CONCURRENCY = int(sys.argv[1]), sys.argv[2]

redis = Redis(port=int(os.environ["PEER_PORT"]))

began = time.perf_counter()
for _ in range(COUNT):
    nothing.apply_async()
queued = COUNT / (time.perf_counter() - began)

worker = subprocess.Popen(
    [sys.executable, "-W", "ignore", "-m", "celery", "-A", "tasks", "worker", "--concurrency", CONCURRENCY,
     "--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "ERROR"],
    cwd=os.path.dirname(os.path.abspath(__file__)),
    stdout=subprocess.DEVNULL,
)
# The clock starts with the first task that is taken: starting Python is not part of it.
while redis.llen("celery") == COUNT:
    time.sleep(0.001)
began = time.perf_counter()
while redis.llen("celery") + redis.hlen("unacked"):
    time.sleep(0.005)
done = COUNT / (time.perf_counter() - began)
worker.terminate()
worker.wait(timeout=60)
print(f"{queued:.0f} {done:.0f}")
