"""Generative models behind one interface; importing this package imports no model family."""
