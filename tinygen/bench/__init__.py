"""How fast tinygen trains, in turn with PyTorch on the same machine: `python -m tinygen bench`.

Reading order: workloads (what is trained), torch_workloads (the same in PyTorch), worker (a process that trains one
step when told to), turns (two or more of them in turn), report (the table), command (the options).
"""
