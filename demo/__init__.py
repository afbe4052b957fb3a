"""The demonstration: a twin of 64,000 customers on a cluster in processes, from nothing to a reading of its answers.

What belongs here is the story that `make demo` tells. It uses the operator only as a person would,
by Helm, manifests and kubectl, and imports nothing of it.
"""
