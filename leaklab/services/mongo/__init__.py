"""The embedded MongoDB server: MongoDB's wire protocol and its cursors, over a mongomock database.

It is not a MongoDB. The documents, filters, updates and pipelines are mongomock's, by its public methods only; what
mongomock lacks, or would answer wrongly, is refused by name with error 238 (NotImplemented). What leaklab counts is
exact: connections, commands, cursors and sessions live and die as on a real server.
"""
