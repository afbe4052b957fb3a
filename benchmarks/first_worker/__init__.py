"""From the first message to the first worker wanted, live: a real API server, Redis and operator.

What a worker does is not measured here: its Pods are such as no node takes.
"""
