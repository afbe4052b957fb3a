"""The pools' scaling against KEDA's rule, in simulated time: the same tasks, workers and starts of Pods for both.

`decide` of the operator's domain is the real one. What is modelled: a queue and its workers (`pool`), what the
operator does around `decide` (`operator_loop`), KEDA with its HorizontalPodAutoscaler (`keda`), and loads (`loads`).
Nothing here measures the speed of a program.
"""
