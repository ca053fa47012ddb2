//! okdownload's connections over reqwest.
