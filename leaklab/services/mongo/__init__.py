"""The embedded MongoDB server: the wire protocol over asyncio, a mongomock store behind it.

The scenario needs little of it: find, sort, next, close. A learner's fix may take any other way through pymongo
(aggregate, find_and_modify, hints, projections, tailable cursors …), and must then meet what a real server answers, its
errors included: so what is offered here is offered as the manual documents it, and the rest is refused by name.
"""
