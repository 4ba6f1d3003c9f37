"""How fast tinygen trains, in turn with PyTorch on the same machine: `python -m tinygen bench`.

Reading order: networks and workloads (what is trained), layers (single convolutions), torch_workloads and torch_layers
(the same in PyTorch), worker and memory (a process that works when told to), processes (two or more of them in turn),
training, kernels, epoch, startup (what is measured), report and machine (how it is told), command (the options).
"""
