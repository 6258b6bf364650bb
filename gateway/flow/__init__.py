"""What happens to a request, step by step. Read page.py first."""
