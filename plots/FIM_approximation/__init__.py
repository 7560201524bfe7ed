"""Is the Fisher information matrix nearly diagonal, and constant on it? Figures of its entries."""
