"""The search of section 4.1: the line search over c, and the solvers that answer it."""
