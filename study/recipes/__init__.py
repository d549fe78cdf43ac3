"""Recipes from neighbouring work on the same inputs, each a module.

Three of those that the study could hold, because they use what profiling leaves anyway and speak of what PivotRL's own
arms leave open: `rif_rft` and `prefix_rft` of the states at which every sample fails, which the filter throws away;
`s3ft` of whether forgetting comes from training on words that are not the policy's own.
"""
