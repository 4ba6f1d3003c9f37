"""Benchmarks of training steps, single layers, growing sizes, an epoch and start-up times, also beside PyTorch.

Run them with `python -m tinygen bench`. Reading order: networks and workloads (what is trained), layers (single
convolutions), rows, lessons and words (the sheet of layers), torch_networks, torch_workloads, torch_layers,
counterpart and torch_words (the same in PyTorch), worker and memory (a process that executes commands), processes
(several of them in turn), training, kernels, sheet, scaling, epoch, startup (what is measured), report, figures and
machine (how results are presented).
"""
