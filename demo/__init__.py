"""The demonstration: twins of 64,000 customers on a cluster in processes, asked, graded, trained again.

What belongs here is the story that `make demo` tells. It uses the operator only as a person would,
by Helm, manifests and kubectl, and imports nothing of it.
"""
