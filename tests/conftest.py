"""Tests use one thread.

Kernels of several threads that wait for one another slow each other down when tests and training
share a machine.
"""

import torch

torch.set_num_threads(1)
