//! Test suites for okdownload's seams, and a scripted HTTP server.
