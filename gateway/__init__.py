"""The edge: HTTP in, CMS out. The only package that knows the others."""
