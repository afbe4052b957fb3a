"""The Grafana dashboards, as short descriptions: `python -m dashboards` writes the chart's JSON from them.

A developer's tool: neither the operator nor the chart needs it. `panels` knows Grafana's format; the other modules say
what is shown, one module a dashboard.
"""
