"""Benchmarks: training steps, single convolutions, an epoch and start-up times, optionally compared with PyTorch.

Run them with `python -m tinygen bench`. Reading order: networks and workloads (what is trained), layers (single
convolutions), torch_networks, torch_workloads and torch_layers (the same in PyTorch), worker and memory (a process that
executes commands), processes (several of them in turn), training, kernels, epoch, startup (what is measured), report
and machine (how results are presented).
"""
