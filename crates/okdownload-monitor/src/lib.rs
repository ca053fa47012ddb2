//! The observer seam of okdownload: monitor, listeners and events.
