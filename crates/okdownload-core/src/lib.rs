//! The engine of okdownload: dispatcher, pipeline and handles.
