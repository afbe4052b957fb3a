"""From a question to a recommendation: population, weighted effect, predictive distribution, trial size, decision."""
