"""Programs that fill a tree with what strangers send, and can write nothing else."""
