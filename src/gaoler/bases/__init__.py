"""Bases, the trees that machines are cloned from: where they come from, their generations, what keeps them up to date."""
