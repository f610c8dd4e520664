"""The kernels that machines run: made from Debian's source and our patches, and kept in the store."""
