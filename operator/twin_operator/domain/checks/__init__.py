"""Was the experiment sound: balance, randomisation, placebo, sensitivity. A check finds, it changes no number."""
