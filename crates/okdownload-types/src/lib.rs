//! The data types of okdownload: tasks, breakpoints, response heads, causes and errors.
