"""From rows to doubly robust scores: design, learners, cross-fitting, contrasts; and the plan of the next training."""
