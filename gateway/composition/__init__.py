"""From settings to parts: each file here takes a piece of the settings tree and gives plain objects that know nothing of it. gateway/app.py puts them together."""
