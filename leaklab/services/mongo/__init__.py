"""The embedded MongoDB server: wire protocol, cursors, and a mongomock database used by its public methods."""
