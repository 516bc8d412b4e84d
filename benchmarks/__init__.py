"""Measurements that are not tests.

Like `asr` itself, they give NumPy's products one thread: more would wait for the next product in a
loop, and count as work.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
