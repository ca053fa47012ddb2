//! The store seam of okdownload: how breakpoints are kept, and the delayed write over any store.
