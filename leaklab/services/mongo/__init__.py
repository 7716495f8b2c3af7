"""The embedded MongoDB server: the wire protocol over asyncio, a mongomock store behind it."""
