"""Redis as queue and results stream: `broker` publishes and reads for the operator, `claims` is a worker's side."""
