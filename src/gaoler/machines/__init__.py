"""The domain: machines, their gaols, bases, kernels and records. Knows the host's facilities, not who asks."""
