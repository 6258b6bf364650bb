"""What stands between a socket and the flow, in parts: head checks, request bodies, the ASGI cycle, tunnels, deadlines. ../fastlane.py puts them together."""
