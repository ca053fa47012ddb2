//! okdownload's store in an SQLite database.
