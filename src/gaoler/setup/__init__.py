"""What `make up` does, as a library: components, kernel, guest files, store, base, installation, service.

Only the standard library is imported here, because the first run happens before the Python environment exists.
"""
