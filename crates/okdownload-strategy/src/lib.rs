//! The strategy seams of okdownload: what to decide, and the defaults.
