"""What stands between a socket and the flow: connection (states, deadlines, refusals) ◀ reading (llhttp, limits) ◀ ../fastlane.py (answers).

Beside them what they hand out: head checks, request bodies, the ASGI cycle, tunnels, and the sweeper of deadlines.
"""
