"""The command line `scenarist`: starts the roles and talks to the API. It begins in `app`."""
