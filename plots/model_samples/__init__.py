"""Images that models drew, as grids."""
