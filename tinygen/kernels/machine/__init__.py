"""How a CPU is used: compiler, vectors, memory, threads. Every reader may skip this folder."""
