//! The connection seam of okdownload: how an HTTP client is plugged in.
