"""History beyond the life of objects: where finished Simulations, outcomes and retrainings are kept."""
