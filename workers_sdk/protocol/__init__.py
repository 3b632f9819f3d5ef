"""The wire contract: what server and workers must agree on, and nothing else.

Key names and ids (`keys`), statuses, fields and entries (`messages`), the seam to Redis (`link`) and the loader of
Lua scripts (`scripts`). The server may import this package of the SDK and no other.
"""
