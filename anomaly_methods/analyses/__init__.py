"""What likelihoods are made of: analyses of saved statistics, each a list of rows for a table."""
