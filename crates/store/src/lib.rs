//! Everything that lasts: the database, the event log and the media objects.
