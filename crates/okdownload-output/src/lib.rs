//! The output seam of okdownload: how a place to write to is plugged in.
